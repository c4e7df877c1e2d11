import Platform
import TraceStore

/// The names in a store's directory.
enum DirectoryLayout {
  static let lockName = "lock"
  static let catalogName = "catalog.db"
  static let temporarySuffix = ".tmp"

  static func hotName(first: Int64) -> String { "hot-\(padded(first)).db" }

  static func segmentName(level: Int, first: Int64, last: Int64) -> String {
    "seg-\(level)-\(padded(first))-\(padded(last)).db"
  }

  /// Twelve digits, so that `ls` sorts by ordinal.
  static func padded(_ ordinal: Int64) -> String {
    let digits = String(ordinal)
    return String(repeating: "0", count: max(0, 12 - digits.count)) + digits
  }

  /// The first ordinal that a hot file's name tells; nil for any other file.
  static func hotFirst(_ name: String) -> Int64? {
    guard name.hasPrefix("hot-"), name.hasSuffix(".db") else { return nil }
    return Int64(name.dropFirst(4).dropLast(3))
  }

  static func segmentRange(_ name: String) -> ClosedRange<Int64>? {
    guard name.hasPrefix("seg-"), name.hasSuffix(".db") else { return nil }
    let parts = name.dropFirst(4).dropLast(3).split(separator: "-")
    guard parts.count == 3, let first = Int64(parts[1]), let last = Int64(parts[2]), first <= last else { return nil }
    return first...last
  }

  /// How often the events of a segment were merged, as its name tells.
  static func segmentLevel(_ name: String) -> Int? {
    guard segmentRange(name) != nil else { return nil }
    return Int(name.dropFirst(4).prefix { $0 != "-" })
  }

  /// What belongs to one SQLite file: itself, its WAL, the WAL's index, a rollback journal.
  static func withCompanions(_ path: String) -> [String] { [path] + companionSuffixes.map { path + $0 } }

  private static let companionSuffixes = ["-wal", "-shm", "-journal"]

  /// The database that a WAL, its index or a journal belongs to; nil for any other file.
  static func baseOfCompanion(_ name: String) -> String? {
    companionSuffixes.first { name.hasSuffix($0) }.map { String(name.dropLast($0.utf8.count)) }
  }

  static func removeDatabase(_ path: String, _ files: any FileSystem) throws(FileError) {
    // The database goes first: a WAL without its database is garbage, a database without its WAL would be a lie.
    for file in withCompanions(path) { try files.remove(file) }
  }

  /// `hot`, `segments`, `catalog` or `other`.
  static func kind(of name: String) -> String {
    if name.hasPrefix("hot-") { return "hot" }
    if name.hasPrefix("seg-") { return "segments" }
    if name.hasPrefix(catalogName) { return "catalog" }
    return "other"
  }

  /// Bytes of every file, by kind; files that vanish meanwhile count nothing.
  static func bytesByKind(_ directory: String, _ files: any FileSystem) throws(FileError) -> [String: Int] {
    var bytes: [String: Int] = [:]
    for name in try files.list(directory) {
      if let status = try? files.status(directory + "/" + name), status.isRegular {
        bytes[kind(of: name), default: 0] += status.size
      }
    }
    return bytes
  }
}

/// The lock of a directory: held by the writer for as long as it lives, given back by the kernel when it dies.
final class DirectoryLock {
  private let file: any OpenFile

  init(_ directory: String, _ files: any FileSystem) throws(StoreError) {
    let path = directory + "/" + DirectoryLayout.lockName
    do {
      file = try files.open(path, .updating)
      guard try file.tryLockExclusively() else {
        let holder = (try? files.read(path, bytesMax: 64)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let pid = holder.split(separator: "\n").first.map { "process \($0)" } ?? "another process"
        throw StoreError(
          .locked, "\(directory) is in use: \(pid) writes to it",
          hint: "stop that process, send the events to it over HTTP, or use another directory")
      }
      let text = Array("\(CurrentProcess.identifier)\n".utf8)
      try file.truncate()
      try file.write(text, at: 0)
    } catch let error as FileError {
      throw StoreError(error)
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError(.inputOutput, "cannot lock \(path): \(error)", hint: "check the directory")
    }
  }

  func release() {
    try? file.unlock()  // closing gives it back as well, at the latest when no process holds a copy of the descriptor
    file.close()
  }
}

extension StoreError {
  /// What the operating system refused, in the words of the store.
  init(_ error: FileError) {
    if error.isDiskFull {
      self.init(.diskFull, error.description, hint: "free space on the volume; Clew goes on by itself")
    } else if error.isNotFound {
      self.init(.notFound, error.description, hint: "check the path")
    } else if error.isPermission {
      self.init(.inputOutput, error.description, hint: "check the owner and permissions of the directory")
    } else {
      self.init(.inputOutput, error.description, hint: "check the disk and the system's log")
    }
  }
}

/// Runs what throws a `FileError`, and says it in the words of the store.
func mapping<R>(_ body: () throws(FileError) -> R) throws(StoreError) -> R {
  do { return try body() } catch { throw StoreError(error) }
}
