/// The dictionaries of one finished segment: immutable, shared by all who decode its blocks.
public final class SegmentDictionary: Sendable {
  /// - Parameter chunks: what `DictionaryBuilder.encodedChunks` gave, in its order. Any other bytes throw.
  public init(decoding chunks: [[UInt8]]) throws(BodyError) {
    if !chunks.isEmpty { throw .invalid }
  }

  /// What it holds in memory.
  public var memoryBytes: Int { 0 }
}
