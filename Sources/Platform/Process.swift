import Glibc

/// This process: its environment, its end, its number.
public enum CurrentProcess {
  public static var identifier: Int32 { getpid() }

  /// How many threads can run at one time, at least 1: the processors that the calling thread may run on, and no more
  /// than its control group has time for.
  public static var coreCount: Int {
    // The mask of a thread may name processors that are not there, or are switched off.
    let online = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    return max(1, min(online > 0 ? online : .max, Processors.allowedHere ?? .max, Processors.quotaHere ?? .max))
  }

  /// The value of an environment variable; nil where it is not set, or is no UTF-8.
  public static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(validatingCString: value)
  }

  /// All environment variables whose name begins with `prefix`; what is no UTF-8 is left out.
  public static func environment(prefix: String) -> [String: String] {
    var found: [String: String] = [:]
    var next = unsafe environ
    while let entry = unsafe next.pointee {
      unsafe next += 1
      guard let text = unsafe String(validatingCString: entry), text.hasPrefix(prefix),
        let equal = text.utf8.firstIndex(of: UInt8(ascii: "="))
      else { continue }
      found[String(text[..<equal])] = String(text[text.utf8.index(after: equal)...])
    }
    return found
  }

  /// Ends the process at once; threads are expected to be joined by then.
  public static func exit(_ code: Int32) -> Never { Glibc.exit(code) }

  /// Raises the limit of open files to what the system allows, at most `wanted`; returns the limit that holds.
  public static func raiseOpenFileLimit(to wanted: Int) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(7), &limit) == 0 else { return 1024 }
    let target = min(UInt(wanted), UInt(limit.rlim_max))
    if UInt(limit.rlim_cur) < target {
      limit.rlim_cur = rlim_t(target)
      _ = unsafe setrlimit(__rlimit_resource_t(7), &limit)
      _ = unsafe getrlimit(__rlimit_resource_t(7), &limit)
    }
    return Int(clamping: UInt(limit.rlim_cur))
  }
}

extension FileError {
  /// The reader of a pipe went away.
  public var isBrokenPipe: Bool { code == EPIPE }
}

extension FileDescriptor {
  /// Columns of the terminal behind this descriptor; nil if it is none.
  public var terminalColumns: Int? {
    var size = winsize()
    guard unsafe ioctl(number, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }
}

extension Files {
  /// Makes an empty directory of a new name, for this user only, under `TMPDIR` or `/tmp`.
  public static func makeTemporaryDirectory(prefix: String) throws(FileError) -> String {
    let parent = CurrentProcess.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
      unsafe mkdtemp(buffer.baseAddress!) != nil
    }
    if !made { throw FileError("create a directory in", parent, code: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Deletes a directory with all it holds; links are deleted, not followed. Iterative, whatever the depth.
  public static func removeTree(_ path: String) throws(FileError) {
    var pending = [(path: path, emptied: false)]
    while let (next, emptied) = pending.popLast() {
      if emptied {
        if unsafe rmdir(next) != 0 && errno != ENOENT { throw FileError("delete", next, code: errno) }
        continue
      }
      if unsafe unlink(next) == 0 || errno == ENOENT { continue }
      guard errno == EISDIR || errno == EPERM else { throw FileError("delete", next, code: errno) }
      pending.append((next, true))
      for name in try list(next) { pending.append(("\(next)/\(name)", false)) }
    }
  }
}
