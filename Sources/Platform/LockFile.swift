import Glibc

extension FileDescriptor {
  /// Opens a file for reading and writing, with the content it has; creates it if it is missing.
  public static func openOrCreate(_ path: String) throws(FileError) -> FileDescriptor {
    try open(path, O_RDWR | O_CREAT | O_CLOEXEC)
  }

  /// Cuts the file to nothing.
  public func truncate() throws(FileError) {
    if ftruncate(number, 0) != 0 { throw FileError("cut", path, code: errno) }
  }
}
