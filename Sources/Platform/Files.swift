public import Glibc

/// What the operating system refused: the operation, the path, and its reason.
public struct FileError: Error, CustomStringConvertible, Equatable {
  public var operation: String
  public var path: String
  public var code: Int32

  public init(_ operation: String, _ path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
  public var isNotFound: Bool { code == ENOENT }
  public var isInputOutput: Bool { code == EIO }
  public var isPermission: Bool { code == EACCES || code == EPERM || code == EROFS }

  /// The system's word for the reason.
  public var reason: String { unsafe String(cString: strerror(code)) }
  public var description: String { "cannot \(operation) \(path): \(reason)" }
}

/// An open file. The owner closes it; it is also closed when the last reference goes.
public final class FileDescriptor: @unchecked Sendable {
  // `@unchecked Sendable`: `number` only changes in `close`, which is the owner's last call; reads and writes at
  // offsets are the kernel's business.
  public private(set) var number: Int32
  public let path: String
  private let owned: Bool

  public static let standardInput = FileDescriptor(number: 0, path: "standard input", owned: false)
  public static let standardOutput = FileDescriptor(number: 1, path: "standard output", owned: false)
  public static let standardError = FileDescriptor(number: 2, path: "standard error", owned: false)

  init(number: Int32, path: String, owned: Bool) {
    self.number = number
    self.path = path
    self.owned = owned
  }

  deinit { close() }

  public static func openForReading(_ path: String) throws(FileError) -> FileDescriptor {
    try open(path, O_RDONLY | O_CLOEXEC)
  }

  /// Creates the file, or truncates it to nothing.
  public static func create(_ path: String) throws(FileError) -> FileDescriptor {
    try open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC)
  }

  public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o640) throws(FileError) -> FileDescriptor {
    while true {
      let number = unsafe Glibc.open(path, flags, mode)
      if number >= 0 { return FileDescriptor(number: number, path: path, owned: true) }
      let code = errno
      if code != EINTR { throw FileError("open", path, code: code) }
    }
  }

  public func close() {
    if owned && number >= 0 { _ = Glibc.close(number) }
    if owned { number = -1 }
  }

  /// Reads at most `buffer.count` bytes; 0 at the end.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
    while true {
      let count = unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      let code = errno
      if code != EINTR { throw FileError("read", path, code: code) }
    }
  }

  /// Reads at most `buffer.count` bytes from `offset`; 0 at the end.
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
    while true {
      let count = unsafe pread(number, buffer.baseAddress, buffer.count, offset)
      if count >= 0 { return count }
      let code = errno
      if code != EINTR { throw FileError("read", path, code: code) }
    }
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var start = 0
    while start < bytes.count {
      let count = unsafe Glibc.write(number, bytes.baseAddress! + start, bytes.count - start)
      if count >= 0 {
        start += count
        continue
      }
      let code = errno
      if code != EINTR { throw FileError("write", path, code: code) }
    }
  }

  public func write(_ bytes: [UInt8]) throws(FileError) {
    try unsafe bytes.withUnsafeBufferPointer { (all) throws(FileError) in
      try unsafe write(UnsafeRawBufferPointer(all))
    }
  }

  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var start = 0
    while start < bytes.count {
      let count = unsafe pwrite(number, bytes.baseAddress! + start, bytes.count - start, offset + start)
      if count >= 0 {
        start += count
        continue
      }
      let code = errno
      if code != EINTR { throw FileError("write", path, code: code) }
    }
  }

  /// For messages whose loss nobody could act on.
  public func writeIgnoringErrors(_ text: String) { try? write(Array(text.utf8)) }

  /// Data and size reach the disk.
  public func sync() throws(FileError) {
    if fsync(number) != 0 { throw FileError("sync", path, code: errno) }
  }

  public func size() throws(FileError) -> Int { try status().size }

  public func status() throws(FileError) -> FileStatus {
    var status = stat()
    if unsafe fstat(number, &status) != 0 { throw FileError("examine", path, code: errno) }
    return FileStatus(status)
  }

  /// Takes the advisory lock of the file for this process.
  ///
  /// - Returns: false if another open file holds it.
  public func tryLockExclusively() throws(FileError) -> Bool {
    if flock(number, LOCK_EX | LOCK_NB) == 0 { return true }
    let code = errno
    if code == EWOULDBLOCK { return false }
    throw FileError("lock", path, code: code)
  }

  /// Gives the advisory lock back.
  ///
  /// Closing gives it back only when no copy of the descriptor is left, and a process that another thread starts has
  /// a copy of every descriptor until it runs its program.
  public func unlock() throws(FileError) {
    if flock(number, LOCK_UN) != 0 { throw FileError("unlock", path, code: errno) }
  }

  public var isTerminal: Bool { isatty(number) == 1 }
}

/// What tells one file from another, and its size.
public struct FileStatus: Equatable, Sendable {
  public var size: Int
  public var device: UInt64
  public var inode: UInt64
  public var isDirectory: Bool
  public var isRegular: Bool
  public var modifiedNanoseconds: Int64

  /// A regular file that no disk has.
  public init(size: Int, inode: UInt64, isDirectory: Bool = false) {
    self.size = size
    device = 0
    self.inode = inode
    self.isDirectory = isDirectory
    isRegular = !isDirectory
    modifiedNanoseconds = 0
  }

  init(_ status: stat) {
    size = Int(status.st_size)
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    isRegular = status.st_mode & S_IFMT == S_IFREG
    modifiedNanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }
}

/// Operations on paths.
public enum Files {
  public static func status(_ path: String) throws(FileError) -> FileStatus {
    try FileStatus(examine(path))
  }

  public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// The whole file, at most `bytesMax` bytes; more throws `EFBIG`.
  public static func read(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
    let file = try FileDescriptor.openForReading(path)
    defer { file.close() }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = try unsafe buffer.withUnsafeMutableBufferPointer { (chunk) throws(FileError) -> Int in
        try unsafe file.read(into: UnsafeMutableRawBufferPointer(chunk))
      }
      if count == 0 { return content }
      content += buffer[0..<count]
      if content.count > bytesMax { throw FileError("read", path, code: EFBIG) }
    }
  }

  /// After a crash the path has its old or its new content, whole. The only way to publish a file.
  public static func replaceAtomically(_ path: String, with bytes: [UInt8]) throws(FileError) {
    let temporary = path + ".tmp"
    let file = try FileDescriptor.create(temporary)
    try file.write(bytes)
    try file.sync()
    file.close()
    try rename(temporary, to: path)
  }

  /// Renames, and makes the new name durable.
  public static func rename(_ path: String, to newPath: String) throws(FileError) {
    try move(path, to: newPath)
    try syncDirectory(directory(of: newPath))
  }

  /// Renames; durable once the directory is synced.
  static func move(_ path: String, to newPath: String) throws(FileError) {
    if unsafe Glibc.rename(path, newPath) != 0 { throw FileError("rename", path, code: errno) }
  }

  /// Deletes a file; a missing one is no error.
  public static func remove(_ path: String) throws(FileError) {
    if unsafe unlink(path) != 0 && errno != ENOENT { throw FileError("delete", path, code: errno) }
  }

  public static func syncDirectory(_ path: String) throws(FileError) {
    let directory = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { directory.close() }
    try directory.sync()
  }

  /// With all directories above it.
  public static func makeDirectory(_ path: String) throws(FileError) {
    if unsafe mkdir(path, 0o750) == 0 { return }
    let code = errno
    if code == EEXIST, let known = try? status(path), known.isDirectory { return }
    if code == ENOENT && path.contains("/") && directory(of: path) != path {
      try makeDirectory(directory(of: path))
      if unsafe mkdir(path, 0o750) == 0 || errno == EEXIST { return }
      throw FileError("create", path, code: errno)
    }
    throw FileError("create", path, code: code)
  }

  /// Names in a directory, sorted, without `.` and `..`.
  public static func list(_ path: String) throws(FileError) -> [String] {
    guard let directory = unsafe opendir(path) else { throw FileError("list", path, code: errno) }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Free bytes for an unprivileged process, and the size, of the volume that holds `path`.
  public static func volume(_ path: String) throws(FileError) -> (available: Int, capacity: Int) {
    let status = try examineVolume(path)
    return (Int(status.f_bavail) * Int(status.f_frsize), Int(status.f_blocks) * Int(status.f_frsize))
  }

  /// The part before the last `/`; "." where there is none.
  public static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

// Free functions: inside `Files` the names of the C functions would be taken for the types of the same name.
private func examine(_ path: String) throws(FileError) -> stat {
  var result = stat()
  if unsafe stat(path, &result) != 0 { throw FileError("examine", path, code: errno) }
  return result
}

private func examineVolume(_ path: String) throws(FileError) -> statvfs {
  var result = statvfs()
  if unsafe statvfs(path, &result) != 0 { throw FileError("examine", path, code: errno) }
  return result
}
