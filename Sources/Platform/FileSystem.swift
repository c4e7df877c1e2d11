/// What the store does with files: the operating system's, or a simulated disk under tests.
///
/// Every call may be made from any thread. `rename` and `remove` are durable only after `syncDirectory`; what was
/// written is durable only after `sync` of the open file.
public protocol FileSystem: Sendable {
  /// The name under which SQLite knows these files; nil: SQLite's default, which is the operating system.
  var sqliteVFS: String? { get }

  func open(_ path: String, _ access: FileAccess) throws(FileError) -> any OpenFile
  /// A new file in `directory` that has no name any more: its space is given back when it is closed, however the
  /// process ends.
  ///
  /// - Parameter purpose: part of the name that it has for an instant, for whoever finds one after a crash.
  func temporaryFile(in directory: String, purpose: String) throws(FileError) -> any OpenFile
  func exists(_ path: String) -> Bool
  func status(_ path: String) throws(FileError) -> FileStatus
  /// Replaces what has the new name, in one step.
  func rename(_ path: String, to newPath: String) throws(FileError)
  /// Deletes a file; a missing one is no error.
  func remove(_ path: String) throws(FileError)
  /// Names in a directory, sorted, without `.` and `..`.
  func list(_ directory: String) throws(FileError) -> [String]
  /// With all directories above it.
  func makeDirectory(_ path: String) throws(FileError)
  /// What was created, renamed and removed in a directory survives the loss of power.
  func syncDirectory(_ path: String) throws(FileError)
  /// Free bytes for an unprivileged process, and the size, of the volume that holds `path`.
  func volume(_ path: String) throws(FileError) -> (available: Int, capacity: Int)
}

/// How a file is opened.
public enum FileAccess: Sendable {
  case reading
  /// For reading and writing; with the content that it has, or created empty.
  case updating
  /// For reading and writing, empty.
  case creating
}

/// An open file of a `FileSystem`; it is also closed when the last reference goes.
public protocol OpenFile: AnyObject, Sendable {
  var path: String { get }
  /// Reads at most `buffer.count` bytes from `offset`; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
  /// Writes all bytes.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError)
  /// Cuts the file to nothing.
  func truncate() throws(FileError)
  /// Data and size reach the disk.
  func sync() throws(FileError)
  func status() throws(FileError) -> FileStatus
  /// Takes the advisory lock of the file, until it is closed.
  ///
  /// - Returns: false if another open file holds it.
  func tryLockExclusively() throws(FileError) -> Bool
  /// Gives the advisory lock back, also from copies of the descriptor that a process in the making may hold.
  func unlock() throws(FileError)
  func close()
}

extension OpenFile {
  public func size() throws(FileError) -> Int { try status().size }

  public func write(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    try unsafe bytes.withUnsafeBufferPointer { (all) throws(FileError) in
      try unsafe write(UnsafeRawBufferPointer(all), at: offset)
    }
  }
}

extension FileSystem {
  /// Renames, and makes the new name durable.
  public func renameDurably(_ path: String, to newPath: String) throws(FileError) {
    try rename(path, to: newPath)
    try syncDirectory(Files.directory(of: newPath))
  }

  /// The first bytes of a file, at most `bytesMax`.
  public func read(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
    let file = try open(path, .reading)
    defer { file.close() }
    var content = [UInt8](repeating: 0, count: bytesMax)
    var filled = 0
    while filled < bytesMax {
      let count = try unsafe content.withUnsafeMutableBufferPointer { (all) throws(FileError) -> Int in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(all)[filled...])
        return try unsafe file.read(into: rest, at: filled)
      }
      if count == 0 { break }
      filled += count
    }
    content.removeLast(bytesMax - filled)
    return content
  }
}

/// The files of the operating system.
public struct RealFileSystem: FileSystem {
  public init() {}

  public var sqliteVFS: String? { nil }

  public func open(_ path: String, _ access: FileAccess) throws(FileError) -> any OpenFile {
    switch access {
    case .reading: try FileDescriptor.openForReading(path)
    case .updating: try FileDescriptor.openOrCreate(path)
    case .creating: try FileDescriptor.create(path)
    }
  }

  public func temporaryFile(in directory: String, purpose: String) throws(FileError) -> any OpenFile {
    try FileDescriptor.temporary(in: directory, purpose: purpose)
  }

  public func exists(_ path: String) -> Bool { Files.exists(path) }
  public func status(_ path: String) throws(FileError) -> FileStatus { try Files.status(path) }
  public func rename(_ path: String, to newPath: String) throws(FileError) { try Files.move(path, to: newPath) }
  public func remove(_ path: String) throws(FileError) { try Files.remove(path) }
  public func list(_ directory: String) throws(FileError) -> [String] { try Files.list(directory) }
  public func makeDirectory(_ path: String) throws(FileError) { try Files.makeDirectory(path) }
  public func syncDirectory(_ path: String) throws(FileError) { try Files.syncDirectory(path) }

  public func volume(_ path: String) throws(FileError) -> (available: Int, capacity: Int) { try Files.volume(path) }
}

extension FileDescriptor: OpenFile {}
