import Glibc

/// Carries what a pipe or terminal gives into a pipe of ours, so that a reader who waits for more can be told to stop:
/// a read that blocks on somebody else's pipe cannot be ended otherwise.
public final class InputPump: Sendable {
  /// To be read instead of the input; ends where the input ends, or after `stop`.
  public let output: FileDescriptor
  private let input: FileDescriptor
  private let feed: FileDescriptor
  private let wake: (read: FileDescriptor, write: FileDescriptor)
  private let worker = Locked<WorkerThread?>(nil)

  public init(_ input: FileDescriptor) throws(FileError) {
    self.input = input
    let data = try Self.pipe()
    (output, feed) = (data.read, data.write)
    wake = try Self.pipe()
    _ = fcntl(feed.number, F_SETFL, O_NONBLOCK)
    let thread = WorkerThread(name: "clew-input") { [self] in carry() }
    worker.withLock { $0 = thread }
  }

  /// Ends the output after what was read so far, and joins the thread. A second call does nothing.
  public func stop() {
    wake.write.writeIgnoringErrors(".")
    worker.withLock { thread in
      defer { thread = nil }
      return thread
    }?.join()
  }

  private func carry() {
    defer { feed.close() }
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while wait(for: input, POLLIN) {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe (try? input.read(into: $0)) ?? 0 }
      if count == 0 { return }
      var start = 0
      while start < count {
        // Room for a part is enough: the feed does not block, so that `stop` is never kept waiting.
        guard wait(for: feed, POLLOUT) else { return }
        let written = unsafe buffer.withUnsafeBytes {
          unsafe Glibc.write(feed.number, $0.baseAddress! + start, count - start)
        }
        if written > 0 { start += written } else if errno != EAGAIN && errno != EINTR { return }
      }
    }
  }

  /// False once `stop` was called.
  private func wait(for file: FileDescriptor, _ events: Int32) -> Bool {
    while true {
      var watched = [
        pollfd(fd: file.number, events: Int16(events), revents: 0),
        pollfd(fd: wake.read.number, events: Int16(POLLIN), revents: 0),
      ]
      let ready = unsafe poll(&watched, 2, -1)
      if ready < 0 && errno != EINTR { return true }
      if watched[1].revents != 0 { return false }
      if watched[0].revents != 0 { return true }
    }
  }

  private static func pipe() throws(FileError) -> (read: FileDescriptor, write: FileDescriptor) {
    var ends: [Int32] = [0, 0]
    if unsafe Glibc.pipe(&ends) != 0 { throw FileError("create", "a pipe", code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (
      FileDescriptor(number: ends[0], path: "pipe", owned: true),
      FileDescriptor(number: ends[1], path: "pipe", owned: true)
    )
  }
}
