import EventModel
import Platform
import Synchronization
import TraceStore

/// A sealed segment as the store uses it: its reader, whether it turned out damaged, and its end.
///
/// A segment that is read is deleted only when its last reader lets go of it.
final class SegmentHandle: @unchecked Sendable {
  // `@unchecked Sendable`: `reason` is only touched inside its lock, the rest is immutable or atomic.
  let reader: SegmentReader
  let row: CatalogSegment
  private let damaged = Atomic<Bool>(false)
  private let retired = Atomic<Bool>(false)
  private let lasting = Atomic<Bool>(false)
  private let reason = Locked("")

  private let limiter: SegmentLimiter?

  /// - Parameter limiter: keeps what the reader holds within the bounds of the store.
  init(reader: SegmentReader, row: CatalogSegment, limiter: SegmentLimiter?) {
    self.reader = reader
    self.row = row
    self.limiter = limiter
    limiter?.add(reader.resources)
  }

  deinit {
    limiter?.remove(reader.resources)
    if retired.load(ordering: .acquiring) { try? reader.files.remove(reader.path) }
  }

  var name: String { row.name }
  var ordinals: ClosedRange<Int64> { row.firstOrdinal...row.lastOrdinal }
  var isDamaged: Bool { damaged.load(ordering: .relaxed) }
  /// It is corrupted; anything else (the disk or the system refused to read) may be over after a restart.
  var isDamagedForGood: Bool { lasting.load(ordering: .relaxed) }
  var damageReason: String { reason.withLock { $0 } }

  /// The file goes when nobody reads it any more. It must have left the catalog before.
  func retire() { retired.store(true, ordering: .releasing) }

  func mayContain(eventID: IdentifierKey) -> Bool { !isDamaged && reader.mayContain(eventID: eventID) }
  func mayContain(outsideCause: IdentifierKey) -> Bool { !isDamaged && reader.mayContain(outsideCause: outsideCause) }
  func mayContain(trace: IdentifierKey) -> Bool { !isDamaged && reader.mayContain(correlation: trace) }

  /// What an event is, if it can still be read here that one of its identity is stored: what answers was checked. Nil: it
  /// is not here, or where it would be cannot be read.
  func findDespiteDamage(_ event: EventView, source: UInt32) -> Disposition? {
    let id = event.idKey
    guard reader.mayContain(eventID: id) else { return nil }
    var found: Disposition?
    let uuid = event.flags.contains(.idIsUUID) ? Identifier(uuid: id) : nil
    try? reader.forEachEvent(withIDKey: id, of: uuid) { known, _ in
      found = compareIdentity(event, source: source, with: known)
      return found == nil ? .proceed : .stop
    }
    return found
  }

  /// Reads; damage sets the whole segment aside, in memory at once, and harms nothing else.
  func read(log: Log, _ body: (SegmentReader) throws(StoreError) -> Void) {
    if isDamaged { return }
    do { try body(reader) } catch { note(error, log: log) }
  }

  func note(_ error: StoreError, log: Log) {
    guard !damaged.exchange(true, ordering: .acquiringAndReleasing) else { return }
    reason.withLock { $0 = error.message }
    if error.code == .corrupted { lasting.store(true, ordering: .relaxed) }
    log.error("store", "\(error.message); \(name) is set aside, everything else goes on")
  }
}

extension SegmentStore {
  /// Whether an error that reading a segment gave is about this segment alone: then it is set aside, and the rest answers.
  func isOnly(_ segment: SegmentHandle, _ error: StoreError) -> Bool {
    if error.concernsOneFile { return true }
    // A writer deletes a file when nobody holds it any more: somebody else deleted this one. Where the catalog is gone as
    // well, the volume or the directory is, which may come back.
    return error.code == .notFound && isWritable && !fileSystem.exists(segment.reader.path)
      && fileSystem.exists(path(DirectoryLayout.catalogName))
  }
}
