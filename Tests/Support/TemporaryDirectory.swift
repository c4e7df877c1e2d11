import Glibc

/// A new, empty directory, deleted with all its content when the last reference goes.
public final class TemporaryDirectory: Sendable {
  public let path: String

  /// - Parameter label: part of the name, so that a left-over tells where it comes from.
  public init(_ label: String = "test") throws {
    let base = TestSupport.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(base)/clew-\(label)-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else {
      throw TestSupportError("cannot make a temporary directory in \(base): \(unsafe String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.remove(path) }

  /// `path` and a name in it.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file in this directory and returns its path.
  @discardableResult public func write(_ name: String, _ content: [UInt8]) throws -> String {
    let path = file(name)
    guard let stream = unsafe fopen(path, "w") else { throw TestSupportError("cannot create \(path)") }
    defer { unsafe fclose(stream) }
    guard unsafe fwrite(content, 1, content.count, stream) == content.count else {
      throw TestSupportError("cannot write \(path)")
    }
    return path
  }

  @discardableResult public func write(_ name: String, _ content: String) throws -> String {
    try write(name, Array(content.utf8))
  }

  /// Deletes a directory and what is in it; symbolic links are not followed.
  public static func remove(_ path: String) {
    var pending = [path]
    var emptied: Set<String> = []
    while let current = pending.last {
      if emptied.contains(current) {
        unsafe rmdir(current)
        pending.removeLast()
        continue
      }
      emptied.insert(current)
      guard let directory = unsafe opendir(current) else { continue }
      while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
          unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name == "." || name == ".." { continue }
        let child = current + "/" + name
        if unsafe entry.pointee.d_type == UInt8(DT_DIR) { pending.append(child) } else { unsafe unlink(child) }
      }
      unsafe closedir(directory)
    }
  }
}
