/// What a source says of one event, as slices of its own buffers; `EventBatch.append` copies them into a frame.
///
/// Identifiers are given as stored: 16 bytes with the matching flag, or a text. Limits were checked by the reader
/// that made the draft.
@unsafe public struct EventDraft {
  public var flags: EventFrame.Flags = []
  public var eventClass = EventClass.domain
  public var failure = FailureKind.none
  public var handlerIdentity = HandlerIdentity.none
  public var created = Timestamp(nanoseconds: 0)
  public var position = SourcePosition(major: 0)
  public var revision: Int64?
  public var id = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var correlation = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var cause = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var stream = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var type = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var service = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var handler = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var schemaVersion = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var metadata = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var data = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

  public init() {}
}

/// Frames of events, one behind the other, in the order of their source. The unit that crosses boundaries.
public struct EventBatch: Sendable {
  public private(set) var bytes: [UInt8] = []
  /// Where each frame starts in `bytes`.
  public private(set) var offsets: [Int] = []

  public init() {}

  public var count: Int { offsets.count }
  public var isEmpty: Bool { offsets.isEmpty }

  /// Makes room for so many events and bytes of frames at once.
  public mutating func reserveCapacity(events: Int, bytes count: Int) {
    offsets.reserveCapacity(events)
    bytes.reserveCapacity(count)
  }

  /// Makes room for another batch without giving the memory back.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
  }

  /// Calls `body` with the event at `index`; the view must not escape.
  @inlinable @inline(__always) public func withEvent<R, E: Error>(
    at index: Int, _ body: (EventView) throws(E) -> R
  ) throws(E) -> R {
    let start = offsets[index]
    let end = index + 1 < offsets.count ? offsets[index + 1] : bytes.count
    return try unsafe bytes.withUnsafeBufferPointer { (typed) throws(E) -> R in
      let all = UnsafeRawBufferPointer(typed)
      return unsafe try body(EventView(trusted: unsafe UnsafeRawBufferPointer(rebasing: all[start..<end])))
    }
  }

  /// Calls `body` with every event and its index, in order; the views must not escape.
  @inlinable @inline(__always) public func forEach<E: Error>(_ body: (Int, EventView) throws(E) -> Void) throws(E) {
    try unsafe bytes.withUnsafeBufferPointer { (typed) throws(E) -> Void in
      let all = UnsafeRawBufferPointer(typed)
      for index in 0..<offsets.count {
        let start = offsets[index]
        let end = index + 1 < offsets.count ? offsets[index + 1] : all.count
        unsafe try body(index, EventView(trusted: unsafe UnsafeRawBufferPointer(rebasing: all[start..<end])))
      }
    }
  }

  /// Copies a draft into a new frame. Complexity: O(bytes).
  ///
  /// - Precondition: every part fits its length field, and id and type are not empty.
  public mutating func append(_ draft: EventDraft) {
    let total =
      unsafe EventFrame.headerBytes + draft.id.count + draft.correlation.count + draft.cause.count
      + draft.stream.count + draft.type.count + draft.service.count + draft.handler.count
      + draft.schemaVersion.count + draft.metadata.count + draft.data.count
    precondition(unsafe !draft.id.isEmpty && !draft.type.isEmpty, "an event has an id and a type")
    offsets.append(bytes.count)
    let head = unsafe total - draft.metadata.count - draft.data.count
    // Header and names are put together beside the batch: each addition to an array costs as much as a short name.
    unsafe withUnsafeTemporaryAllocation(byteCount: head, alignment: 8) { room in
      unsafe fill(room, draft, total)
      var end = EventFrame.headerBytes
      unsafe put(draft.id, room, &end)
      unsafe put(draft.correlation, room, &end)
      unsafe put(draft.cause, room, &end)
      unsafe put(draft.stream, room, &end)
      unsafe put(draft.type, room, &end)
      unsafe put(draft.service, room, &end)
      unsafe put(draft.handler, room, &end)
      unsafe put(draft.schemaVersion, room, &end)
      unsafe bytes.append(contentsOf: room)
    }
    unsafe bytes.append(contentsOf: draft.metadata)
    unsafe bytes.append(contentsOf: draft.data)
  }

  @inline(__always) private func put(
    _ part: UnsafeRawBufferPointer, _ room: UnsafeMutableRawBufferPointer, _ end: inout Int
  ) {
    guard let start = part.baseAddress, part.count > 0 else { return }
    unsafe (room.baseAddress! + end).copyMemory(from: start, byteCount: part.count)
    end += part.count
  }

  /// Copies a whole frame, already validated, setting the two fields that only the store knows.
  public mutating func append(_ event: EventView, ordinal: Int64, sourceIndex: UInt32) {
    let start = bytes.count
    offsets.append(start)
    unsafe bytes.append(contentsOf: event.bytes)
    unsafe bytes.withUnsafeMutableBytes { all in
      unsafe all.storeBytes(of: ordinal.littleEndian, toByteOffset: start + EventFrame.Offset.ordinal, as: Int64.self)
      unsafe all.storeBytes(
        of: sourceIndex.littleEndian, toByteOffset: start + EventFrame.Offset.sourceIndex, as: UInt32.self)
    }
  }

  /// Takes stored bytes apart again, checking every frame.
  public init(validating bytes: [UInt8]) throws(FrameError) {
    self.bytes = bytes
    var starts: [Int] = []
    try unsafe bytes.withUnsafeBufferPointer { (typed) throws(FrameError) in
      let all = UnsafeRawBufferPointer(typed)
      var start = 0
      while start < all.count {
        let view = unsafe try EventView(validating: unsafe UnsafeRawBufferPointer(rebasing: all[start...]))
        starts.append(start)
        start += unsafe view.bytes.count
      }
    }
    offsets = starts
  }

  private func fill(_ header: UnsafeMutableRawBufferPointer, _ draft: EventDraft, _ total: Int) {
    func put<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
      unsafe header.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
    put(UInt32(total), EventFrame.Offset.frameLength)
    unsafe put(draft.flags.rawValue, EventFrame.Offset.flags)
    unsafe put(draft.eventClass.rawValue, EventFrame.Offset.eventClass)
    unsafe put(
      draft.failure.rawValue | draft.handlerIdentity.rawValue << 4, EventFrame.Offset.failureAndIdentity)
    put(Int64(0), EventFrame.Offset.ordinal)
    put(UInt32(0), EventFrame.Offset.sourceIndex)
    unsafe put(UInt16(draft.id.count), EventFrame.Offset.idLength)
    unsafe put(UInt16(draft.correlation.count), EventFrame.Offset.correlationLength)
    unsafe put(UInt16(draft.cause.count), EventFrame.Offset.causeLength)
    unsafe put(UInt16(draft.stream.count), EventFrame.Offset.streamLength)
    unsafe put(UInt16(draft.type.count), EventFrame.Offset.typeLength)
    unsafe put(UInt16(draft.service.count), EventFrame.Offset.serviceLength)
    unsafe put(UInt16(draft.handler.count), EventFrame.Offset.handlerLength)
    unsafe put(UInt16(draft.schemaVersion.count), EventFrame.Offset.schemaVersionLength)
    unsafe put(UInt32(draft.metadata.count), EventFrame.Offset.metadataLength)
    unsafe put(UInt32(draft.data.count), EventFrame.Offset.dataLength)
    unsafe put(draft.created.nanoseconds, EventFrame.Offset.created)
    unsafe put(draft.position.major, EventFrame.Offset.positionMajor)
    unsafe put(draft.position.minor, EventFrame.Offset.positionMinor)
    unsafe put(draft.revision ?? -1, EventFrame.Offset.revision)
    put(Int64(0), EventFrame.Offset.reserved)
  }
}
