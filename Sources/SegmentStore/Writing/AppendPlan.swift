import EventModel
import TraceStore

/// What one call of `append` is going to write: made by reading only, so that a failure leaves nothing to undo.
struct AppendPlan {
  /// What becomes of one batch.
  struct BatchPlan {
    var dispositions: [Disposition] = []
    var acceptedIndexes: [UInt32] = []
    var duplicateCount = 0
    var conflictCount = 0
  }

  var chunks: [HotChunk] = []
  var batches: [BatchPlan] = []
  var checkpoints: [SourceCheckpoint] = []
  var rawBytes = 0
  private(set) var nextOrdinal: Int64
  /// Accepted events of this call by id, so that later ones find them.
  private var slots = SlotTable()
  private var accepted: ContiguousArray<(mixed: UInt64, chunk: UInt32, offset: UInt32)> = []

  init(nextOrdinal: Int64) { self.nextOrdinal = nextOrdinal }

  /// Copies an event to the end of the rows.
  mutating func accept(_ event: EventView, source: UInt32, remember: Bool) {
    let bytes = unsafe event.bytes
    if chunks.isEmpty || chunks[chunks.count - 1].bytes.count + bytes.count > HotFile.chunkBytes {
      var content: [UInt8] = []
      content.reserveCapacity(max(HotFile.chunkBytes, bytes.count))
      chunks.append(HotChunk(first: nextOrdinal, count: 0, bytes: content))
    }
    let last = chunks.count - 1
    let start = chunks[last].bytes.count
    unsafe chunks[last].bytes.append(contentsOf: bytes)
    chunks[last].count += 1
    let ordinal = nextOrdinal
    unsafe chunks[last].bytes.withUnsafeMutableBytes { all in
      unsafe all.storeBytes(of: ordinal.littleEndian, toByteOffset: start + EventFrame.Offset.ordinal, as: Int64.self)
      unsafe all.storeBytes(
        of: source.littleEndian, toByteOffset: start + EventFrame.Offset.sourceIndex, as: UInt32.self)
    }
    if remember {
      let mixed = event.idKey.mixed
      accepted.append((mixed, UInt32(last), UInt32(start)))
      slots.insert(mixed, UInt32(accepted.count - 1)) { accepted[Int($0)].mixed }
    }
    rawBytes += bytes.count
    nextOrdinal += 1
  }

  /// Whether an event of this call has the same identity, and then what the new one is.
  func find(_ event: EventView, source: UInt32) -> Disposition? {
    let mixed = event.idKey.mixed
    var found: Disposition?
    slots.forEach(mixed) { number in
      let entry = accepted[Int(number)]
      guard found == nil, entry.mixed == mixed else { return }
      unsafe chunks[Int(entry.chunk)].bytes.withUnsafeBytes { all in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[Int(entry.offset)...])
        guard let known = try? unsafe EventView(validating: rest) else { return }
        found = compareIdentity(event, source: source, with: known)
      }
    }
    return found
  }

  /// Takes every row and batch, in order.
  func forEachAccepted(_ body: (_ chunk: Int, _ offset: Int, EventView) -> Void) {
    for (number, chunk) in chunks.enumerated() {
      unsafe chunk.bytes.withUnsafeBytes { all in
        var offset = 0
        while offset < all.count {
          let rest = unsafe UnsafeRawBufferPointer(rebasing: all[offset...])
          guard let event = try? unsafe EventView(validating: rest) else {
            preconditionFailure("frames of a batch are valid")
          }
          body(number, offset, event)
          unsafe offset += event.bytes.count
        }
      }
    }
  }
}

/// Duplicate or conflict if both events have one identity; nil if they have not.
func compareIdentity(_ event: EventView, source: UInt32, with known: EventView) -> Disposition? {
  guard known.sourceIndex == source, known.flags.contains(.idIsUUID) == event.flags.contains(.idIsUUID),
    unsafe sameBytes(known.idBytes, event.idBytes), unsafe sameBytes(known.stream, event.stream)
  else { return nil }
  return event.hasSameContent(as: known) ? .duplicate : .conflict
}
