/// The layout of one event as bytes: what sources produce, batches carry, and the store keeps.
///
/// All integers are little-endian. A fixed header is followed by the variable parts in the order of the length
/// fields. `SegmentStore/FORMAT.md` draws it; a test holds the two together.
public enum EventFrame {
  @inlinable public static var headerBytes: Int { 84 }
  /// Longest type, stream, service, handler or schema version, in bytes; longer ones are refused.
  @inlinable public static var nameBytesMax: Int { 8192 }

  public enum Offset {
    /// u32: bytes of the whole frame, header included.
    @inlinable public static var frameLength: Int { 0 }
    /// u16: see `Flags`.
    @inlinable public static var flags: Int { 4 }
    /// u8: `EventClass`.
    @inlinable public static var eventClass: Int { 6 }
    /// u8: `FailureKind` in the low, `HandlerIdentity` in the high 4 bits.
    @inlinable public static var failureAndIdentity: Int { 7 }
    /// i64: the store's number of the event; 0 until it is stored.
    @inlinable public static var ordinal: Int { 8 }
    /// u32: the store's number of the source; 0 until it is stored.
    @inlinable public static var sourceIndex: Int { 16 }
    /// u16 each: id, correlation id, causation id.
    @inlinable public static var idLength: Int { 20 }
    @inlinable public static var correlationLength: Int { 22 }
    @inlinable public static var causeLength: Int { 24 }
    /// u16 each: stream, type, service, handler, schema version. 0 means absent.
    @inlinable public static var streamLength: Int { 26 }
    @inlinable public static var typeLength: Int { 28 }
    @inlinable public static var serviceLength: Int { 30 }
    @inlinable public static var handlerLength: Int { 32 }
    @inlinable public static var schemaVersionLength: Int { 34 }
    /// u32 each: metadata, data.
    @inlinable public static var metadataLength: Int { 36 }
    @inlinable public static var dataLength: Int { 40 }
    /// i64: nanoseconds since the epoch.
    @inlinable public static var created: Int { 44 }
    /// u64 each: the source's position.
    @inlinable public static var positionMajor: Int { 52 }
    @inlinable public static var positionMinor: Int { 60 }
    /// i64: revision in the stream; -1 means absent.
    @inlinable public static var revision: Int { 68 }
    /// i64: reserved, 0; a reader refuses anything else.
    @inlinable public static var reserved: Int { 76 }
  }

  /// Bits of the flags field; the other bits are 0, and a reader refuses anything else.
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The id is a UUID (16 bytes), not a text.
    @inlinable public static var idIsUUID: Flags { Flags(rawValue: 1) }
    @inlinable public static var correlationIsUUID: Flags { Flags(rawValue: 2) }
    @inlinable public static var causeIsUUID: Flags { Flags(rawValue: 4) }
    /// The causation id is an OpenTelemetry span id.
    @inlinable public static var causeIsSpan: Flags { Flags(rawValue: 8) }
    /// Data was given (it may be empty).
    @inlinable public static var hasData: Flags { Flags(rawValue: 16) }
    /// Data is valid UTF-8 JSON on one line, so that it can be shown inside JSON as it is.
    @inlinable public static var dataIsJSON: Flags { Flags(rawValue: 32) }
    @inlinable public static var hasMetadata: Flags { Flags(rawValue: 64) }
    @inlinable public static var metadataIsJSON: Flags { Flags(rawValue: 128) }

    public static let known: Flags = [
      .idIsUUID, .correlationIsUUID, .causeIsUUID, .causeIsSpan, .hasData, .dataIsJSON, .hasMetadata, .metadataIsJSON,
    ]
  }
}

/// Why bytes are no event frame.
public enum FrameError: Error, Equatable, Sendable {
  case truncated(atByte: Int)
  case inconsistentLengths(atByte: Int)
  case unknownFlags(UInt16)
  case unknownValue(field: String, value: UInt64)
}
