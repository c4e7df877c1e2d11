/// One event frame inside a buffer that someone else keeps alive: reads fields in place, copies nothing.
///
/// `@safe`: the initializer checks that every variable part lies inside the buffer, so no accessor reads outside it.
/// What the type cannot check is the buffer's lifetime: views are made inside `EventBatch.withEvent` and the like,
/// whose closures must not let them (or slices of them) escape.
@safe public struct EventView {
  public let bytes: UnsafeRawBufferPointer

  /// Checks the frame that starts at the beginning of `buffer`; bytes behind it are ignored.
  ///
  /// Complexity: O(1).
  public init(validating buffer: UnsafeRawBufferPointer) throws(FrameError) {
    guard buffer.count >= EventFrame.headerBytes else { throw .truncated(atByte: buffer.count) }
    let length = Int(unsafe buffer.loadUnaligned(as: UInt32.self).littleEndian)
    guard length >= EventFrame.headerBytes else { throw .inconsistentLengths(atByte: 0) }
    guard length <= buffer.count else { throw .truncated(atByte: buffer.count) }
    unsafe self.bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[0..<length])
    guard dataStart + dataCount == length else { throw .inconsistentLengths(atByte: EventFrame.Offset.idLength) }
    guard flags.isSubset(of: .known) else { throw .unknownFlags(flags.rawValue) }
    try checkIdentifiers()
    guard idCount > 0, typeCount > 0 else { throw .inconsistentLengths(atByte: EventFrame.Offset.idLength) }
    guard unsafe EventClass(rawValue: buffer[EventFrame.Offset.eventClass]) != nil else {
      throw unsafe .unknownValue(field: "class", value: UInt64(buffer[EventFrame.Offset.eventClass]))
    }
    let mixed = unsafe buffer[EventFrame.Offset.failureAndIdentity]
    guard FailureKind(rawValue: mixed & 15) != nil, HandlerIdentity(rawValue: mixed >> 4) != nil else {
      throw .unknownValue(field: "failure and identity", value: UInt64(mixed))
    }
    let reserved = word64(EventFrame.Offset.reserved)
    guard reserved == 0 else { throw .unknownValue(field: "reserved", value: reserved) }
  }

  /// A UUID has 16 bytes, a text at most what `Identifier` takes.
  private func checkIdentifiers() throws(FrameError) {
    let flags = self.flags
    func check(_ count: Int, _ isUUID: EventFrame.Flags, _ offset: Int) throws(FrameError) {
      if flags.contains(isUUID) ? count != 16 : count > Identifier.textBytesMax {
        throw .inconsistentLengths(atByte: offset)
      }
    }
    try check(idCount, .idIsUUID, EventFrame.Offset.idLength)
    try check(correlationCount, .correlationIsUUID, EventFrame.Offset.correlationLength)
    try check(causeCount, .causeIsUUID, EventFrame.Offset.causeLength)
  }

  /// - Precondition: `frame` is exactly one frame that was validated before, or written by `EventBatch`.
  @unsafe @inlinable public init(trusted frame: UnsafeRawBufferPointer) { unsafe self.bytes = unsafe frame }

  @inlinable @inline(__always) func word16(_ offset: Int) -> Int {
    Int(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self).littleEndian)
  }
  @inlinable @inline(__always) func word32(_ offset: Int) -> Int {
    Int(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
  }
  @inlinable @inline(__always) func word64(_ offset: Int) -> UInt64 {
    unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
  }
  @inlinable @inline(__always) func slice(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
    // The initializer compared the sum of all lengths with the frame's.
    unsafe UnsafeRawBufferPointer(start: bytes.baseAddress.unsafelyUnwrapped + start, count: count)
  }

  @inlinable @inline(__always) var idCount: Int { word16(EventFrame.Offset.idLength) }
  @inlinable @inline(__always) var correlationCount: Int { word16(EventFrame.Offset.correlationLength) }
  @inlinable @inline(__always) var causeCount: Int { word16(EventFrame.Offset.causeLength) }
  @inlinable @inline(__always) var streamCount: Int { word16(EventFrame.Offset.streamLength) }
  @inlinable @inline(__always) var typeCount: Int { word16(EventFrame.Offset.typeLength) }
  @inlinable @inline(__always) var serviceCount: Int { word16(EventFrame.Offset.serviceLength) }
  @inlinable @inline(__always) var handlerCount: Int { word16(EventFrame.Offset.handlerLength) }
  @inlinable @inline(__always) var schemaVersionCount: Int { word16(EventFrame.Offset.schemaVersionLength) }
  @inlinable @inline(__always) var metadataCount: Int { word32(EventFrame.Offset.metadataLength) }
  @inlinable @inline(__always) var dataCount: Int { word32(EventFrame.Offset.dataLength) }
  @inlinable @inline(__always) var correlationStart: Int { EventFrame.headerBytes + idCount }
  @inlinable @inline(__always) var causeStart: Int { correlationStart + correlationCount }
  @inlinable @inline(__always) var streamStart: Int { causeStart + causeCount }
  @inlinable @inline(__always) var typeStart: Int { streamStart + streamCount }
  @inlinable @inline(__always) var serviceStart: Int { typeStart + typeCount }
  @inlinable @inline(__always) var handlerStart: Int { serviceStart + serviceCount }
  @inlinable @inline(__always) var schemaVersionStart: Int { handlerStart + handlerCount }
  @inlinable @inline(__always) var metadataStart: Int { schemaVersionStart + schemaVersionCount }
  @inlinable @inline(__always) var dataStart: Int { metadataStart + metadataCount }

  @inlinable @inline(__always) public var flags: EventFrame.Flags {
    EventFrame.Flags(rawValue: UInt16(truncatingIfNeeded: word16(EventFrame.Offset.flags)))
  }
  @inlinable @inline(__always) public var ordinal: Int64 { Int64(bitPattern: word64(EventFrame.Offset.ordinal)) }
  @inlinable @inline(__always) public var sourceIndex: UInt32 { UInt32(word32(EventFrame.Offset.sourceIndex)) }
  @inlinable @inline(__always) public var created: Timestamp {
    Timestamp(nanoseconds: Int64(bitPattern: word64(EventFrame.Offset.created)))
  }
  @inlinable @inline(__always) public var position: SourcePosition {
    SourcePosition(major: word64(EventFrame.Offset.positionMajor), minor: word64(EventFrame.Offset.positionMinor))
  }
  /// Nil where the source gave none.
  @inlinable @inline(__always) public var revision: Int64? {
    let value = Int64(bitPattern: word64(EventFrame.Offset.revision))
    return value == -1 ? nil : value
  }
  @inlinable @inline(__always) public var eventClass: EventClass {
    EventClass(rawValue: unsafe bytes[EventFrame.Offset.eventClass]) ?? .domain
  }
  @inlinable @inline(__always) public var failure: FailureKind {
    FailureKind(rawValue: unsafe bytes[EventFrame.Offset.failureAndIdentity] & 15) ?? .none
  }
  @inlinable @inline(__always) public var handlerIdentity: HandlerIdentity {
    HandlerIdentity(rawValue: unsafe bytes[EventFrame.Offset.failureAndIdentity] >> 4) ?? .none
  }

  /// The stored bytes of each identifier (16 bytes of a UUID, or the text); empty where it is absent.
  @inlinable @inline(__always) public var idBytes: UnsafeRawBufferPointer {
    unsafe slice(EventFrame.headerBytes, idCount)
  }
  @inlinable @inline(__always) public var correlationBytes: UnsafeRawBufferPointer {
    unsafe slice(correlationStart, correlationCount)
  }
  @inlinable @inline(__always) public var causeBytes: UnsafeRawBufferPointer { unsafe slice(causeStart, causeCount) }
  @inlinable @inline(__always) public var stream: UnsafeRawBufferPointer { unsafe slice(streamStart, streamCount) }
  @inlinable @inline(__always) public var type: UnsafeRawBufferPointer { unsafe slice(typeStart, typeCount) }
  @inlinable @inline(__always) public var service: UnsafeRawBufferPointer { unsafe slice(serviceStart, serviceCount) }
  @inlinable @inline(__always) public var handler: UnsafeRawBufferPointer { unsafe slice(handlerStart, handlerCount) }
  @inlinable @inline(__always) public var schemaVersion: UnsafeRawBufferPointer {
    unsafe slice(schemaVersionStart, schemaVersionCount)
  }
  @inlinable @inline(__always) public var metadata: UnsafeRawBufferPointer {
    unsafe slice(metadataStart, metadataCount)
  }
  @inlinable @inline(__always) public var data: UnsafeRawBufferPointer { unsafe slice(dataStart, dataCount) }

  @inlinable @inline(__always) public var idKey: IdentifierKey { unsafe key(idBytes, flags.contains(.idIsUUID)) }
  /// Zero where the event has no correlation id of its own.
  @inlinable @inline(__always) public var correlationKey: IdentifierKey {
    unsafe key(correlationBytes, flags.contains(.correlationIsUUID))
  }
  /// Zero where the event names no cause.
  @inlinable @inline(__always) public var causeKey: IdentifierKey {
    unsafe key(causeBytes, flags.contains(.causeIsUUID))
  }

  @inlinable @inline(__always) func key(_ stored: UnsafeRawBufferPointer, _ isUUID: Bool) -> IdentifierKey {
    if unsafe stored.isEmpty { return .zero }
    guard isUUID else { return unsafe IdentifierKey.hashing(stored) }
    return IdentifierKey(
      high: unsafe stored.loadUnaligned(as: UInt64.self).bigEndian,
      low: unsafe stored.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
  }

  @inlinable public var id: Identifier { unsafe identifier(idBytes, flags.contains(.idIsUUID))! }
  /// The event's own correlation id, not an inherited one.
  @inlinable public var correlation: Identifier? {
    unsafe identifier(correlationBytes, flags.contains(.correlationIsUUID))
  }
  @inlinable public var cause: Identifier? { unsafe identifier(causeBytes, flags.contains(.causeIsUUID)) }

  @inlinable func identifier(_ stored: UnsafeRawBufferPointer, _ isUUID: Bool) -> Identifier? {
    if unsafe stored.isEmpty { return nil }
    return isUUID ? Identifier(uuid: unsafe key(stored, true)) : Identifier(text: unsafe Array(stored))
  }
}
