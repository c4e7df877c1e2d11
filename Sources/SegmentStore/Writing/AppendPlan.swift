import EventModel
import TraceStore

/// What one call of `append` is going to write: made by reading only, so that a failure leaves nothing to undo.
///
/// One for each store, used again for every call: its memory is touched already. Only the writing thread has it.
@safe final class AppendPlan {
  // `@safe`: both buffers are owned, freed in `deinit`, and grown by `begin` and `beginBatch` to what the call may need
  // before anything is written to them; nothing of them is given out but to the call that made the plan.

  /// What becomes of one batch.
  struct BatchPlan {
    var dispositions: [Disposition] = []
    /// Its accepted events among the drafts.
    var drafts = 0..<0
    var duplicateCount = 0
    var conflictCount = 0
  }

  /// Frames that are to stand in one row of the hot file.
  struct Chunk {
    var first: Int64
    var count: Int
    var start: Int
    var byteCount: Int
  }

  private(set) var chunks: [Chunk] = []
  var batches: [BatchPlan] = []
  var checkpoints: [SourceCheckpoint] = []
  private(set) var rawBytes = 0
  private var nextOrdinal: Int64 = 0
  private var frames: UnsafeMutableRawPointer
  private var frameCapacity = 0
  private var draftStore: UnsafeMutablePointer<HotDraft>
  private var draftCapacity = 0
  /// Accepted events of this call; behind them, all events of the batch that is being planned.
  private(set) var draftCount = 0
  /// Accepted events of this call by identity, so that later ones find them.
  private var slots: ContiguousArray<UInt32> = []
  private static let emptySlot = UInt32.max
  /// More than a call usually needs is given back.
  private static let bytesKept = 16 << 20

  init() {
    unsafe frames = .allocate(byteCount: 16, alignment: 16)
    unsafe draftStore = .allocate(capacity: 1)
  }

  deinit {
    unsafe frames.deallocate()
    unsafe draftStore.deallocate()
  }

  /// Forgets the call before, and makes room for this one.
  func begin(_ batches: [SourceBatch], nextOrdinal: Int64) {
    self.nextOrdinal = nextOrdinal
    self.batches.removeAll(keepingCapacity: true)
    chunks.removeAll(keepingCapacity: true)
    checkpoints = []
    rawBytes = 0
    draftCount = 0
    var bytes = 0
    var events = 0
    var largest = 0
    for batch in batches {
      bytes += batch.events.bytes.count
      events += batch.events.count
      largest = max(largest, batch.events.count)
    }
    if bytes > frameCapacity || frameCapacity > Self.bytesKept && bytes < Self.bytesKept {
      unsafe frames.deallocate()
      frameCapacity = max(bytes, 1 << 20)
      unsafe frames = .allocate(byteCount: frameCapacity, alignment: 16)
    }
    reserveDrafts(events + largest)
    resetSlots(events)
  }

  private func reserveDrafts(_ count: Int) {
    let stride = MemoryLayout<HotDraft>.stride
    if count <= draftCapacity && (draftCapacity * stride <= Self.bytesKept || count * stride > Self.bytesKept) {
      return
    }
    unsafe draftStore.deallocate()
    draftCapacity = max(count, 2_000)
    unsafe draftStore = .allocate(capacity: draftCapacity)
  }

  private func resetSlots(_ events: Int) {
    var size = 1_024
    while size < events * 2 { size *= 2 }
    if size != slots.count {
      slots = ContiguousArray(repeating: Self.emptySlot, count: size)
    } else {
      for index in slots.indices { slots[index] = Self.emptySlot }
    }
  }

  // MARK: Drafts

  /// Room for the events of the next batch, behind what was accepted so far.
  func candidate(_ index: Int) -> UnsafeMutablePointer<HotDraft> {
    assert(draftCount + index < draftCapacity)
    return unsafe draftStore + draftCapacity - 1 - index
  }

  /// The events of the batch as one array, backwards: candidates lie one before the other.
  func candidates(_ count: Int) -> UnsafeMutablePointer<HotDraft> { unsafe candidate(count - 1) }

  func draft(_ index: Int) -> UnsafePointer<HotDraft> {
    assert(index < draftCount)
    return unsafe UnsafePointer(draftStore + index)
  }

  var base: UnsafeRawPointer { unsafe UnsafeRawPointer(frames) }

  func bytes(of chunk: Chunk) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: frames + chunk.start, count: chunk.byteCount)
  }

  func event(_ draft: UnsafePointer<HotDraft>) -> EventView {
    unsafe EventView(
      trusted: UnsafeRawBufferPointer(start: frames + draft.pointee.start, count: Int(draft.pointee.frameBytes)))
  }

  /// Copies an event to the end of the rows.
  @inline(__always) func accept(_ event: EventView, candidate index: Int, remember: Bool) {
    let bytes = unsafe event.bytes
    let last = chunks.count - 1
    if last < 0 || chunks[last].byteCount + bytes.count > HotFile.chunkBytes {
      chunks.append(Chunk(first: nextOrdinal, count: 0, start: rawBytes, byteCount: 0))
    }
    let chunk = chunks.count - 1
    let target = unsafe frames + rawBytes
    unsafe target.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
    unsafe target.storeBytes(of: nextOrdinal.littleEndian, toByteOffset: EventFrame.Offset.ordinal, as: Int64.self)
    var draft = unsafe candidate(index).pointee
    unsafe target.storeBytes(
      of: draft.source.littleEndian, toByteOffset: EventFrame.Offset.sourceIndex, as: UInt32.self)
    draft.offset = UInt32(chunks[chunk].byteCount)
    draft.start = rawBytes
    draft.indexInBatch = UInt32(index)
    unsafe (draftStore + draftCount).initialize(to: draft)
    if remember { self.remember(draft) }
    draftCount += 1
    chunks[chunk].count += 1
    chunks[chunk].byteCount += bytes.count
    rawBytes += bytes.count
    nextOrdinal += 1
  }

  // MARK: Identities of this call

  @inline(__always) private func slot(_ draft: HotDraft) -> Int {
    let mixed =
      draft.idHash ^ (draft.streamHash &* 0x9e37_79b9_7f4a_7c15) ^ UInt64(draft.source) &* 0xc2b2_ae3d_27d4_eb4f
    return Int(truncatingIfNeeded: mixed >> 20) & (slots.count - 1)
  }

  @inline(__always) private func remember(_ draft: HotDraft) {
    var index = slot(draft)
    while slots[index] != Self.emptySlot { index = (index + 1) & (slots.count - 1) }
    slots[index] = UInt32(draftCount)
  }

  /// Whether an event of this call has the same identity, and then what the new one is.
  @inline(__always) func find(_ event: EventView, candidate: Int) -> Disposition? {
    let draft = unsafe self.candidate(candidate).pointee
    var index = slot(draft)
    while slots[index] != Self.emptySlot {
      let known = unsafe draftStore + Int(slots[index])
      if unsafe known.pointee.id == draft.id, unsafe known.pointee.streamHash == draft.streamHash,
        let found = unsafe compareIdentity(event, source: draft.source, with: self.event(known))
      {
        return found
      }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }
}

/// Duplicate or conflict if both events have one identity; nil if they have not.
func compareIdentity(_ event: EventView, source: UInt32, with known: EventView) -> Disposition? {
  guard known.sourceIndex == source, known.flags.contains(.idIsUUID) == event.flags.contains(.idIsUUID),
    unsafe sameBytes(known.idBytes, event.idBytes), unsafe sameBytes(known.stream, event.stream)
  else { return nil }
  return event.hasSameContent(as: known) ? .duplicate : .conflict
}
