import Glibc

extension FileDescriptor {
  /// A new file in `directory` that has no name any more: its space is given back when it is closed, however the
  /// process ends.
  ///
  /// - Parameter purpose: part of the name that it has for an instant, for whoever finds one after a crash.
  public static func temporary(in directory: String, purpose: String) throws(FileError) -> FileDescriptor {
    while true {
      let path = "\(directory)/.clew-\(purpose)-\(getpid())-\(Instant.now.nanoseconds)"
      let file: FileDescriptor
      do {
        file = try open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode: 0o600)
      } catch {
        if error.code == EEXIST { continue }
        throw error
      }
      try Files.remove(path)
      return file
    }
  }
}
