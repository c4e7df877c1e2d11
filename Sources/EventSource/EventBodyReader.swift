public import Platform

/// Reads the events of a request's body: JSON lines, a JSON array, one CloudEvent or a batch of them.
///
/// Batches are bounded; positions are 0, because the position of a pushed event is its ordinal. Not thread-safe.
public final class EventBodyReader {
  /// - Parameter contentType: the header's value; nil lets the first byte decide.
  /// - Throws: `.unsupported` for a content type that is no JSON.
  public init(
    body: [UInt8], contentType: String?, rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock(),
    limits: BatchLimits = BatchLimits()
  ) throws(EventReadError) {
  }

  /// The next events, or nil at the end.
  public func next() -> ReadBatch? { nil }
}
