public import EventModel

/// Where the event's own correlation id is.
public enum CorrelationForm: UInt8, Sendable {
  /// It has none.
  case absent = 0
  /// It is the trace of the run.
  case trace = 1
  /// It is written out in the ids part.
  case foreign = 2
}

/// What many events have in common: all of a frame that is not an id, a number or a payload.
public struct EventKind: Hashable, Sendable {
  /// As in the frame.
  public var flags: EventFrame.Flags
  public var eventClass: UInt8
  public var failureAndIdentity: UInt8
  public var correlationForm: CorrelationForm
  public var sourceIndex: UInt32
  public var type: [UInt8]
  public var service: [UInt8]
  public var handler: [UInt8]
  public var schemaVersion: [UInt8]

  public init(
    flags: EventFrame.Flags, eventClass: UInt8, failureAndIdentity: UInt8, correlationForm: CorrelationForm,
    sourceIndex: UInt32, type: [UInt8], service: [UInt8], handler: [UInt8], schemaVersion: [UInt8]
  ) {
    self.flags = flags
    self.eventClass = eventClass
    self.failureAndIdentity = failureAndIdentity
    self.correlationForm = correlationForm
    self.sourceIndex = sourceIndex
    self.type = type
    self.service = service
    self.handler = handler
    self.schemaVersion = schemaVersion
  }

  public var failure: FailureKind { FailureKind(rawValue: failureAndIdentity & 15) ?? .none }
  public var identity: HandlerIdentity { HandlerIdentity(rawValue: failureAndIdentity >> 4) ?? .none }

  /// Whether a frame of this kind can be valid.
  var isPossible: Bool {
    flags.isSubset(of: .known) && EventClass(rawValue: eventClass) != nil
      && FailureKind(rawValue: failureAndIdentity & 15) != nil
      && HandlerIdentity(rawValue: failureAndIdentity >> 4) != nil
      && !type.isEmpty && nameBytes <= 4 * EventFrame.nameBytesMax
      && max(type.count, service.count, handler.count, schemaVersion.count) <= EventFrame.nameBytesMax
  }

  var nameBytes: Int { type.count + service.count + handler.count + schemaVersion.count }
  /// type, service, handler, schema version back to back, as in the frame.
  var names: [UInt8] { type + service + handler + schemaVersion }

  /// The frame's bytes 4 to 7, with the form of the correlation in two bits that no flag uses.
  var word: UInt32 {
    UInt32(flags.rawValue) | UInt32(correlationForm.rawValue) << 14 | UInt32(eventClass) << 16
      | UInt32(failureAndIdentity) << 24
  }
  /// The frame's bytes 28 to 35.
  var lengths: UInt64 {
    UInt64(type.count) | UInt64(service.count) << 16 | UInt64(handler.count) << 32 | UInt64(schemaVersion.count) << 48
  }

  /// From the words of a frame; nil if no frame can have them.
  init?(word: UInt32, source: UInt32, lengths: UInt64, names: UnsafeRawBufferPointer) {
    let counts = (0..<4).map { Int(lengths >> UInt64($0 * 16) & 0xffff) }
    guard counts.reduce(0, +) == names.count, let form = CorrelationForm(rawValue: UInt8(word >> 14 & 3)) else {
      return nil
    }
    var start = 0
    let parts = counts.map { count -> [UInt8] in
      defer { start += count }
      return unsafe Array(names[start..<(start + count)])
    }
    self.init(
      flags: EventFrame.Flags(rawValue: UInt16(word & 0x3fff)), eventClass: UInt8(word >> 16 & 0xff),
      failureAndIdentity: UInt8(word >> 24), correlationForm: form, sourceIndex: source, type: parts[0],
      service: parts[1], handler: parts[2], schemaVersion: parts[3])
    if !isPossible { return nil }
  }
}

extension EventView {
  @inline(__always) func load32(_ offset: Int) -> UInt32 {
    unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian
  }
  @inline(__always) func load64(_ offset: Int) -> UInt64 {
    unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
  }
}
