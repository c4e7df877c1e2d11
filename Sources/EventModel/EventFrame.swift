/// The layout of one event as bytes: what sources produce, batches carry, and the store keeps.
///
/// All integers are little-endian. A fixed header is followed by the variable parts in the order of the length
/// fields. `SegmentStore/FORMAT.md` draws it; a test holds the two together.
public enum EventFrame {
  public static let headerBytes = 84
  /// Longest type, stream, service, handler or schema version, in bytes; longer ones are refused.
  public static let nameBytesMax = 8192

  public enum Offset {
    /// u32: bytes of the whole frame, header included.
    public static let frameLength = 0
    /// u16: see `Flags`.
    public static let flags = 4
    /// u8: `EventClass`.
    public static let eventClass = 6
    /// u8: `FailureKind` in the low, `HandlerIdentity` in the high 4 bits.
    public static let failureAndIdentity = 7
    /// i64: the store's number of the event; 0 until it is stored.
    public static let ordinal = 8
    /// u32: the store's number of the source; 0 until it is stored.
    public static let sourceIndex = 16
    /// u16 each: id, correlation id, causation id.
    public static let idLength = 20
    public static let correlationLength = 22
    public static let causeLength = 24
    /// u16 each: stream, type, service, handler, schema version. 0 means absent.
    public static let streamLength = 26
    public static let typeLength = 28
    public static let serviceLength = 30
    public static let handlerLength = 32
    public static let schemaVersionLength = 34
    /// u32 each: metadata, data.
    public static let metadataLength = 36
    public static let dataLength = 40
    /// i64: nanoseconds since the epoch.
    public static let created = 44
    /// u64 each: the source's position.
    public static let positionMajor = 52
    public static let positionMinor = 60
    /// i64: revision in the stream; -1 means absent.
    public static let revision = 68
    /// i64: reserved, 0; a reader refuses anything else.
    public static let reserved = 76
  }

  /// Bits of the flags field; the other bits are 0, and a reader refuses anything else.
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The id is a UUID (16 bytes), not a text.
    public static let idIsUUID = Flags(rawValue: 1)
    public static let correlationIsUUID = Flags(rawValue: 2)
    public static let causeIsUUID = Flags(rawValue: 4)
    /// The causation id is an OpenTelemetry span id.
    public static let causeIsSpan = Flags(rawValue: 8)
    /// Data was given (it may be empty).
    public static let hasData = Flags(rawValue: 16)
    /// Data is valid UTF-8 JSON on one line, so that it can be shown inside JSON as it is.
    public static let dataIsJSON = Flags(rawValue: 32)
    public static let hasMetadata = Flags(rawValue: 64)
    public static let metadataIsJSON = Flags(rawValue: 128)

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
