public import Platform
public import TraceStore

/// The store on disk: a hot file that is written, sealed segments, and a catalog that says which of them count.
///
/// All writing calls come from one thread; readers come from any.
public final class SegmentStore {
  public let directory: String

  init(directory: String) { self.directory = directory }

  /// Opens a directory, recovering from whatever state a crash left it in.
  ///
  /// - Throws: `.locked` if another process writes to it, `.unsupportedFormat` if a newer Clew wrote it, `.corrupted`
  ///   if the catalog itself is damaged (a damaged segment is set aside), `.notFound` if it is opened read-only and
  ///   does not exist, `.diskFull`, `.inputOutput`.
  public static func open(
    directory: String, options: StoreOptions = StoreOptions(), clock: any WallClock = SystemClock(), log: Log = Log()
  ) throws(StoreError) -> SegmentStore {
    SegmentStore(directory: directory)
  }
}
