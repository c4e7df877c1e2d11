import EventModel

/// One event as the hot index needs it: read from its frame once, when the append is planned or the file replayed.
struct HotDraft {
  var id: IdentifierKey
  /// The event's own correlation id; zero where it has none.
  var correlation: IdentifierKey
  /// Zero where it names none; a span id included.
  var cause: IdentifierKey
  var idHash: UInt64
  var correlationHash: UInt64
  var causeHash: UInt64
  /// 0 where the event is in no stream.
  var streamHash: UInt64
  var created: Int64
  /// The flags of the row, and the label.
  var word: UInt32
  var source: UInt32
  var payloadBytes: UInt32
  var frameBytes: UInt32
  /// In its row of the file; 0 begins a row.
  var offset: UInt32 = 0
  /// Where its frame begins in the memory that it was read from.
  var start = 0
  var indexInBatch: UInt32 = 0
  /// An older file may hold this id.
  var mayBeOlder = false

  @inline(__always) init(_ event: EventView, source: UInt32, label: UInt32, hash: HotHash) {
    id = event.idKey
    correlation = event.correlationKey
    cause = event.causeKey
    idHash = hash.key(id)
    correlationHash = correlation.isZero ? 0 : hash.key(correlation)
    causeHash = cause.isZero ? 0 : hash.key(cause)
    let stream = unsafe event.stream
    streamHash = unsafe stream.isEmpty ? 0 : hash.bytes(stream) | 1
    created = event.created.nanoseconds
    let flags = event.flags
    word = label | UInt32(event.failure.rawValue) << HotIndex.Flag.failureShift
    word |= UInt32(event.eventClass.rawValue) << HotIndex.Flag.classShift
    if flags.contains(.idIsUUID) { word |= HotIndex.Flag.idIsUUID }
    if unsafe !event.correlationBytes.isEmpty { word |= HotIndex.Flag.ownsCorrelation }
    if flags.contains(.causeIsSpan) { word |= HotIndex.Flag.causeIsSpan }
    self.source = source
    payloadBytes = unsafe UInt32(event.data.count + event.metadata.count)
    frameBytes = unsafe UInt32(event.bytes.count)
  }

  @inline(__always) func has(_ flag: UInt32) -> Bool { word & flag != 0 }
  var label: UInt32 { word & HotIndex.Flag.labelMask }
  var eventClass: EventClass { EventClass(rawValue: UInt8(word >> HotIndex.Flag.classShift & 3)) ?? .domain }
  var failure: FailureKind { FailureKind(rawValue: UInt8(word >> HotIndex.Flag.failureShift & 3)) ?? .none }
  /// The cause, spans left out.
  var eventCause: IdentifierKey { has(HotIndex.Flag.causeIsSpan) ? .zero : cause }
}

extension HotIndex {
  /// Notes which of many new events have an id that is here.
  func noteOlder(_ drafts: UnsafeMutablePointer<HotDraft>, _ count: Int) {
    for number in 0..<count where unsafe firstPlace(drafts[number].id, drafts[number].idHash) != nil {
      unsafe drafts[number].mayBeOlder = true
    }
  }
}
