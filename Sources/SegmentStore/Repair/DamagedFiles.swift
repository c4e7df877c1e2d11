import Platform
import TraceStore

/// Moves damaged files of a store to `damaged/` in its directory, and puts new ones in their place.
///
/// A new database takes the place of a damaged one in three durable steps, so that one of the two is whole at any moment:
/// it is finished under the name `NAME.new`; the damaged file goes, with what SQLite has beside it; then it gets the name.
/// `finish` ends what a crash interrupted: while NAME is there nothing had happened yet, and the work is begun anew.
struct DamagedFiles {
  static let directoryName = "damaged"
  static let newSuffix = ".new"

  let directory: String
  let files: any FileSystem

  func path(_ name: String) -> String { directory + "/" + name }

  /// Replacements that were begun, and not finished.
  static func finish(_ directory: String, _ files: any FileSystem) throws(StoreError) {
    let damaged = DamagedFiles(directory: directory, files: files)
    let names = try mapping { () throws(FileError) in try files.list(directory) }
    for name in names where name.hasSuffix(newSuffix) {
      let base = String(name.dropLast(newSuffix.utf8.count))
      guard base == DirectoryLayout.catalogName || DirectoryLayout.hotFirst(base) != nil else { continue }
      if files.exists(damaged.path(base)) {
        try mapping { () throws(FileError) in try files.remove(damaged.path(name)) }
      } else {
        try damaged.install(name, as: base)
      }
    }
  }

  /// Puts a finished, synced database without a WAL in the place of a damaged one, which is moved away.
  func replace(_ base: String, with temporary: String) throws(StoreError) {
    let name = base + Self.newSuffix
    try mapping { () throws(FileError) in
      for file in DirectoryLayout.withCompanions(path(temporary)).dropFirst() { try files.remove(file) }
      try files.renameDurably(path(temporary), to: path(name))
    }
    try install(name, as: base)
  }

  private func install(_ name: String, as base: String) throws(StoreError) {
    // A WAL of the damaged file would be taken for one of the new file.
    try moveAside(base)
    try mapping { () throws(FileError) in try files.renameDurably(path(name), to: path(base)) }
  }

  /// Where a file, and what SQLite has beside it, goes; whatever lies there stays.
  func targets(_ name: String) -> [(from: String, to: String)] {
    let all = DirectoryLayout.withCompanions(name)
    let present = all.filter { files.exists(path($0)) }
    if present.isEmpty { return [] }
    var number = 0
    func target(_ file: String) -> String {
      let base = Self.directoryName + "/" + name + (number == 0 ? "" : ".\(number)")
      return base + file.dropFirst(name.utf8.count)
    }
    // Where a crash came between them, the rest follows the file that was moved.
    let isBegun = present.first != name
    while present.contains(where: { files.exists(path(target($0))) })
      || !isBegun && all.contains(where: { files.exists(path(target($0))) })
    { number += 1 }
    return present.map { ($0, target($0)) }
  }

  /// The file first: what lies beside it means nothing without it, and it would be read without what lies beside it.
  func moveAside(_ name: String) throws(StoreError) {
    let moves = targets(name)
    if moves.isEmpty { return }
    try mapping { () throws(FileError) in
      try makeDirectory()
      for (from, to) in moves { try files.renameDurably(path(from), to: path(to)) }
      try files.syncDirectory(directory)
    }
  }

  /// Copies a file, and what SQLite has beside it, before it is changed.
  func copyAside(_ name: String) throws(StoreError) {
    let copies = targets(name)
    try mapping { () throws(FileError) in
      try makeDirectory()
      for (from, to) in copies { try copy(path(from), to: path(to)) }
      try files.syncDirectory(path(Self.directoryName))
    }
  }

  private func makeDirectory() throws(FileError) {
    if files.exists(path(Self.directoryName)) { return }
    try files.makeDirectory(path(Self.directoryName))
    try files.syncDirectory(directory)
  }

  private func copy(_ path: String, to target: String) throws(FileError) {
    let from = try files.open(path, .reading)
    defer { from.close() }
    let to = try files.open(target, .creating)
    defer { to.close() }
    try forEachPiece(of: from) { (bytes, offset) throws(FileError) in try to.write(bytes, at: offset) }
    try to.sync()
  }

  private func forEachPiece(
    of file: any OpenFile, _ body: ([UInt8], _ offset: Int) throws(FileError) -> Void
  ) throws(FileError) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let count = try unsafe buffer.withUnsafeMutableBufferPointer { (typed) throws(FileError) -> Int in
        unsafe try file.read(into: UnsafeMutableRawBufferPointer(typed), at: offset)
      }
      if count == 0 { return }
      try body(Array(buffer[..<count]), offset)
      offset += count
    }
  }

  /// What the disk says when all of a file is read; nil: it gives every byte, and what is wrong is what was written.
  func refusal(_ name: String) -> FileError? {
    do {
      let file = try files.open(path(name), .reading)
      defer { file.close() }
      try forEachPiece(of: file) { _, _ in }
      return nil
    } catch { return error }
  }
}

/// What a disk refuses once it may give the next time.
func askingTwice<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
  do {
    return try body()
  } catch {
    guard error.code == .inputOutput || error.code == .unreadable else { throw error }
    return try body()
  }
}
