import Platform
import TraceStore

/// The files that the catalog names, all of them open at one moment.
///
/// For readers beside a writer, who deletes what it has sealed or merged: what is open stays readable. The catalog stops
/// naming a file before the file goes; so one that is not there, and is named still when the catalog is asked again, is
/// lost, and one that is not named any more has become another file.
struct HeldFiles {
  /// A file that cannot be read because it is damaged.
  private enum Held<File> {
    case open(File)
    case damaged(StoreError)
  }

  private(set) var contents = CatalogContents()
  /// By name. What is neither here nor in `contents` was never named.
  private var segments: [String: Held<SegmentReader>] = [:]
  /// By first ordinal.
  private var hot: [Int64: Held<HotFile>] = [:]
  private let directory: String
  private let files: any FileSystem

  /// How long a reader tries to catch up with the writer.
  static let seconds = 60.0

  /// - Throws: what `Catalog.load` throws; `.inputOutput` if a file cannot be read, or if the store changes faster than it
  ///   can be opened.
  init(
    _ directory: String, _ catalog: Catalog, cache: BlockCache, hotCacheBytes: Int, files: any FileSystem
  ) throws(StoreError) {
    self.directory = directory
    self.files = files
    let deadline = Instant.now.advanced(bySeconds: Self.seconds)
    var gone: Set<String> = []
    while true {
      contents = try catalog.load()
      forgetUnnamed()
      let missing = try openNamed(cache, hotCacheBytes)
      if missing.isSubset(of: gone) { return }
      gone = missing
      if Instant.now > deadline {
        throw StoreError(
          .inputOutput, "\(directory) changes faster than it can be opened",
          hint: "ask the server that writes to it (--server), or try again")
      }
    }
  }

  /// A segment that the catalog names; nil if its file is not there.
  ///
  /// - Throws: `.corrupted`, `.unreadable`.
  func segment(_ name: String) throws(StoreError) -> SegmentReader? {
    switch segments[name] {
    case .open(let reader): return reader
    case .damaged(let error): throw error
    case nil: return nil
    }
  }

  /// A hot file that the catalog names.
  ///
  /// - Throws: `.corrupted`; `.notFound` if it is not there.
  func hotFile(_ first: Int64) throws(StoreError) -> HotFile {
    switch hot[first] {
    case .open(let file): return file
    case .damaged(let error): throw error
    case nil:
      let path = directory + "/" + DirectoryLayout.hotName(first: first)
      throw StoreError(.notFound, "\(path) is missing: its events are lost", hint: "run `clew verify`")
    }
  }

  private mutating func forgetUnnamed() {
    let names = Set(contents.segments.map(\.name))
    segments = segments.filter { names.contains($0.key) }
    let firsts = Set(contents.hot)
    hot = hot.filter { firsts.contains($0.key) }
  }

  /// Opens what is named and not open yet.
  ///
  /// - Returns: the names of files that are not there.
  private mutating func openNamed(_ cache: BlockCache, _ hotCacheBytes: Int) throws(StoreError) -> Set<String> {
    var missing: Set<String> = []
    for row in contents.segments where row.state == .live && segments[row.name] == nil {
      do {
        let reader = try SegmentReader.open(path: directory + "/" + row.name, cache: cache, files: files)
        segments[row.name] = .open(reader)
      } catch {
        switch error.code {
        case .notFound: missing.insert(row.name)
        case .corrupted, .unreadable: segments[row.name] = .damaged(error)
        default: throw error
        }
      }
    }
    for first in contents.hot where hot[first] == nil {
      do {
        hot[first] = .open(try openHot(first, hotCacheBytes))
      } catch {
        switch error.code {
        case .notFound: missing.insert(DirectoryLayout.hotName(first: first))
        case .corrupted: hot[first] = .damaged(error)
        default: throw error
        }
      }
    }
    return missing
  }

  private func openHot(_ first: Int64, _ cacheBytes: Int) throws(StoreError) -> HotFile {
    let path = directory + "/" + DirectoryLayout.hotName(first: first)
    // SQLite takes an empty file for a new one, and its WAL for garbage. Ours was synced before the catalog named it.
    if try mapping({ () throws(FileError) in try files.status(path) }).size < HotFile.headerBytes {
      throw StoreError(.corrupted, "\(path) is empty: its events are lost", hint: "run `clew verify`")
    }
    return try HotFile(path, first: first, writable: false, cacheBytes: cacheBytes, files: files)
  }
}
