public import EventModel
public import Platform

/// A file that is read as it grows: from a checkpoint on, over rotations and truncations.
///
/// A line counts once its line feed is there. When the path becomes another file (rotation by rename), the old one is
/// read to its end first, its last line also without a line feed, then the files that were rotated meanwhile: those of
/// the same directory whose name is the path's with what rotation adds (`RotatedName`) and that were written later. A
/// rotation that happened while nobody read is found too, under whatever name, if the old file is still in the same
/// directory and not compressed. When the file becomes
/// shorter, or its first bytes change, it is read from its start. One thread calls `nextBatch`; everything else may be called from any.
public final class FollowedFile: @unchecked Sendable {
  // `@unchecked Sendable`: what `nextBatch` works with is touched by its one thread only; what others see is in
  // `shared`, behind its lock.

  /// What was noticed on the way.
  public struct Counters: Hashable, Sendable {
    /// The path became another file.
    public var rotations = 0
    /// The file became shorter than what was read of it, or was written anew.
    public var truncations = 0

    public init() {}
  }

  public struct Batch: Sendable {
    public var read: ReadBatch
    /// The source's place after this batch, to be stored with it.
    public var checkpoint: SourceCheckpoint
  }

  private struct Shared {
    var counters = Counters()
    var isCancelled = false
    var isCaughtUp = false
    var headOffset: Int?
  }

  /// How long the file is left alone after nothing new was found.
  static let pollSeconds = 0.1

  public let path: String
  private let source: String
  private let lines: EventLines
  private let lock = Lock()
  private var shared = Shared()

  private var file: FileDescriptor?
  private var identity = FileIdentity(device: 0, inode: 0, headBytes: 0, headChecksum: 0)
  /// Where in the file the next byte is read.
  private var readOffset = 0
  /// The place behind the last batch that was handed over.
  private var delivered: (offset: Int, line: Int) = (0, 0)
  private var resumeToken: FileToken?
  private var resumeOffset = 0
  /// The path is another file now: this one gets no more bytes.
  private var isOutOfUse = false
  /// There is something to do at once, without waiting.
  private var looksAgain = false
  /// What was read to its end most recently, so that files written in the same instant are read once.
  private var finishedFiles: [FileIdentity] = []
  private var finishedModified: Int64 = 0

  /// - Parameter checkpoint: the last stored place; nil starts at the beginning. One of another path counts as nil.
  public init(
    path: String, source: String, checkpoint: SourceCheckpoint? = nil, rules: ReadingRules = ReadingRules(),
    clock: any WallClock = SystemClock(), limits: BatchLimits = BatchLimits()
  ) {
    self.path = path
    self.source = source
    lines = EventLines(rules: rules, clock: clock, limits: limits)
    if let checkpoint, let token = FileToken(checkpoint.token), token.path == path {
      resumeToken = token
      resumeOffset = Int(clamping: checkpoint.position.major)
    }
  }

  public var counters: Counters { lock.withLock { shared.counters } }

  /// Everything there is was read at the last look.
  public var isCaughtUp: Bool { lock.withLock { shared.isCaughtUp } }

  /// Bytes of the file at the last look; nil while it is not there.
  public var headOffset: Int? { lock.withLock { shared.headOffset } }

  /// Lets a waiting `nextBatch` return soon.
  public func cancel() {
    lock.withLock {
      shared.isCancelled = true
      lock.wakeAll()
    }
  }

  /// The next events; nil at the deadline, or after `cancel`, if there were none. A file that is not there (yet) is
  /// waited for.
  ///
  /// - Throws: what the operating system refuses (permission, a directory), and `.unsupported` for gzip. The next call
  ///   tries again.
  public func nextBatch(until deadline: Instant) throws(EventReadError) -> Batch? {
    while !lock.withLock({ shared.isCancelled }) {
      do throws(FileError) {
        if let batch = try look() { return batch }
      } catch {
        closeForRetry()
        throw EventReadError(
          .inputOutput, error.description, hint: "the source is tried again; check the path and its permissions")
      }
      if lines.sawGzip {
        close()
        throw EventReadError(
          .unsupported, "\(path) is compressed, and a compressed file cannot be followed",
          hint: "read it once with `clew import`")
      }
      if looksAgain {
        looksAgain = false
        continue
      }
      let poll = Instant.now.advanced(bySeconds: Self.pollSeconds)
      lock.withLock { if !shared.isCancelled { _ = lock.wait(until: min(poll, deadline)) } }
      if Instant.now >= deadline { return nil }
    }
    return nil
  }

  // MARK: One look at the file

  private func look() throws(FileError) -> Batch? {
    guard let file = try openIfThere() else { return nil }
    var batch = lines.newBatch()
    while true {
      if lines.takeWhole(into: &batch) { return try finished(batch, file) }
      let position = readOffset
      let count = unsafe try lines.fillFile { (room) throws(FileError) in unsafe try file.read(into: room, at: position)
      }
      if lines.sawGzip { return nil }
      if count == 0 { break }
      readOffset += count
    }
    if batch.lines > 0 { return try finished(batch, file) }
    return try atEnd(file)
  }

  /// Nothing more is there: has the file been cut, or has the path become another one?
  private func atEnd(_ file: FileDescriptor) throws(FileError) -> Batch? {
    let now = try file.status()
    note(caughtUp: true, head: now.size)
    var isAnother = now.size < readOffset
    if !isAnother { isAnother = try !identity.startsAlike(file) }
    if isAnother {
      startOver(at: 0, line: 0)
      lock.withLock { shared.counters.truncations += 1 }
      looksAgain = true
      return nil
    }
    guard isReplaced(now) else { return nil }
    if !isOutOfUse {
      // The writer may have written between the last read and the renaming: look once more.
      isOutOfUse = true
      looksAgain = true
      return nil
    }
    var batch = lines.newBatch()
    lines.takeLast(into: &batch)
    let last = batch.lines > 0 ? try finished(batch, file) : nil
    finishedFiles = finishedFiles.suffix(15) + [identity]
    finishedModified = now.modifiedNanoseconds
    close()
    lock.withLock { shared.counters.rotations += 1 }
    looksAgain = last == nil
    return last
  }

  /// The path is another file; or it is not there, and files that were written later are.
  private func isReplaced(_ now: FileStatus) -> Bool {
    if let named = try? Files.status(path) { return !identity.isSameFile(named) }
    return successor(of: finishedFiles + [identity], modified: now.modifiedNanoseconds, before: nil) != nil
  }

  private func finished(_ batch: ReadBatch, _ file: FileDescriptor) throws(FileError) -> Batch {
    let offset = lines.offset
    if identity.headBytes < FileIdentity.headBytesMax {
      identity = try FileIdentity(file, file.status(), offset: offset)
    }
    note(caughtUp: false, head: max(readOffset, lock.withLock { shared.headOffset ?? 0 }))
    delivered = (offset, lines.lineNumber)
    let token = FileToken(identity: identity, lines: lines.lineNumber, path: path)
    return Batch(
      read: batch,
      checkpoint: SourceCheckpoint(
        source: source, position: SourcePosition(major: UInt64(offset)), token: token.text))
  }

  private func note(caughtUp: Bool, head: Int?) {
    lock.withLock {
      shared.isCaughtUp = caughtUp
      shared.headOffset = head
    }
  }

  // MARK: Opening

  private func openIfThere() throws(FileError) -> FileDescriptor? {
    if let file { return file }
    if let token = resumeToken, let opened = try resume(token) { return opened }
    // Opened before the directory is listed: a file that is rotated away in between is then in the list, and what was
    // rotated away before it was written no later than it.
    let named = try openNamed()
    guard let next = successor(of: finishedFiles, modified: finishedModified, before: named) else {
      if let named { try use(named, offset: 0, line: 0) } else { note(caughtUp: false, head: nil) }
      return named
    }
    named?.close()
    do throws(FileError) {
      let opened = try FileDescriptor.openForReading(next.path)
      try use(opened, offset: 0, line: 0)
    } catch {
      guard error.isNotFound else { throw error }
    }
    isOutOfUse = true
    // Files that are numbered change their names with every rotation.
    if file != nil, identity.isSameFile(next.status) { return file }
    close()
    looksAgain = true
    return nil
  }

  /// The path's file, if there is one.
  private func openNamed() throws(FileError) -> FileDescriptor? {
    do throws(FileError) { return try FileDescriptor.openForReading(path) } catch {
      if error.isNotFound { return nil }
      throw error
    }
  }

  /// What was rotated away between the end of the last file and now, the oldest of it; nil: the path comes next.
  private func successor(
    of finished: [FileIdentity], modified: Int64, before named: FileDescriptor?
  ) -> (path: String, status: FileStatus)? {
    guard !finished.isEmpty else { return nil }
    var best: (path: String, status: FileStatus)?
    let others = candidates()
    let namedStatus = try? named?.status()
    var bestModified = namedStatus?.modifiedNanoseconds ?? .max
    for candidate in others where RotatedName.isRotated(candidate, of: path) {
      guard let status = try? Files.status(candidate), status.isRegular, status.modifiedNanoseconds >= modified,
        status.modifiedNanoseconds <= bestModified, !finished.contains(where: { $0.isSameFile(status) }),
        namedStatus.map({ $0.device == status.device && $0.inode == status.inode }) != true
      else { continue }
      best = (candidate, status)
      bestModified = status.modifiedNanoseconds
    }
    return best
  }

  /// Opens the file the checkpoint speaks of, where it was left.
  private func resume(_ token: FileToken) throws(FileError) -> FileDescriptor? {
    for (index, candidate) in candidates().enumerated() {
      guard let status = try? Files.status(candidate), token.identity.isSameFile(status), status.size >= resumeOffset,
        let opened = try? FileDescriptor.openForReading(candidate), try token.identity.startsAlike(opened)
      else { continue }
      resumeToken = nil
      try use(opened, offset: resumeOffset, line: token.lines)
      identity.headBytes = token.identity.headBytes
      identity.headChecksum = token.identity.headChecksum
      isOutOfUse = index > 0
      return opened
    }
    guard Files.exists(path) else { return nil }
    resumeToken = nil
    lock.withLock {
      if let status = try? Files.status(path), token.identity.isSameFile(status) {
        shared.counters.truncations += 1
      } else {
        shared.counters.rotations += 1
      }
    }
    return nil
  }

  /// The path, and what else is in its directory and may be the file under a new name.
  private func candidates() -> [String] {
    let directory = Files.directory(of: path)
    let others = (try? Files.list(directory)) ?? []
    return [path] + others.map { directory == "/" ? "/" + $0 : directory + "/" + $0 }.filter { $0 != path }
  }

  private func use(_ opened: FileDescriptor, offset: Int, line: Int) throws(FileError) {
    let status = try opened.status()
    // A directory opens without complaint, and fails when it is read.
    identity = try FileIdentity(opened, status, offset: 0)
    file = opened
    isOutOfUse = false
    startOver(at: offset, line: line)
    note(caughtUp: false, head: status.size)
  }

  private func startOver(at offset: Int, line: Int) {
    readOffset = offset
    delivered = (offset, line)
    lines.restart(at: offset, lineNumber: line)
    if offset == 0 {
      identity.headBytes = 0
      identity.headChecksum = 0
    }
  }

  /// The next look goes on behind the last batch that was handed over: lines taken since then are read again.
  private func closeForRetry() {
    if file != nil, identity.headBytes > 0 {
      resumeToken = FileToken(identity: identity, lines: delivered.line, path: path)
      resumeOffset = delivered.offset
    }
    close()
  }

  private func close() {
    file?.close()
    file = nil
    isOutOfUse = false
  }
}
