/// How lines become events.
public struct ReadingRules: Hashable, Sendable {
  public var profile = MetadataProfile.kurrentdb
  /// Keys count in exactly their spelling only.
  public var exactKeys = false
  /// Name the handler of events whose metadata does not; the first that matches counts.
  public var handlerRules: [HandlerRule] = []
  /// Types that are failures, where the metadata has none of the failure keys (`*` stands for any bytes; case counts).
  public var failureTypePatterns = ["*Failed", "*Faulted", "*Errored", "*HandlerError", "Fault<*>"]
  public var schemaVersionKeys = ["schemaVersion", "version", "$schema.version"]
  /// Longest data and metadata together, in bytes; events beyond are refused.
  public var payloadBytesMax = (16 << 20) + (64 << 10)
  public var keepData = true
  public var keepMetadata = true
  /// Values that are replaced by "[redacted]" before anything is stored: `data.customer.email`, `metadata.user`;
  /// arrays on the way are passed through. Ids and names are read before.
  public var redactedPaths: [String] = []

  public init() {}

  /// Longest line that is read at all: base64 needs a third more room than the bytes it stands for, and the names
  /// their part. Longer ones are skipped without being kept.
  public var lineBytesMax: Int { payloadBytesMax / 3 * 4 + (1 << 20) }
}

/// Names the handler of events by their type and the category of their stream.
public struct HandlerRule: Hashable, Sendable {
  /// `*` stands for any bytes; nil matches every type.
  public var typePattern: String?
  /// The category of a stream is the text before its first `-`; a stream without one has none.
  public var categoryPattern: String?
  public var handler: String
  /// Nil leaves what the metadata says.
  public var service: String?

  public init(typePattern: String? = nil, categoryPattern: String? = nil, handler: String, service: String? = nil) {
    self.typePattern = typePattern
    self.categoryPattern = categoryPattern
    self.handler = handler
    self.service = service
  }
}
