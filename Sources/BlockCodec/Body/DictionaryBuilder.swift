/// Most that the dictionaries of one segment may hold. Beyond a bound, values are written out.
public struct DictionaryLimits: Sendable {
  /// Strings that occurred twice, and their bytes.
  public var strings = 65_000
  public var stringBytes = 2 << 20
  /// UUIDs that occurred in two traces.
  public var uuids = 262_144

  public init() {}
}

/// The dictionaries of one segment while its blocks are encoded: they only grow, and are stored at the end.
///
/// One thread at a time.
public final class DictionaryBuilder {
  let limits: DictionaryLimits

  public init(limits: DictionaryLimits = DictionaryLimits()) { self.limits = limits }

  /// The dictionaries as chunks of at most about 256 KiB, compressed where that helps: stored in this order, each with
  /// a checksum of its row, and given to `SegmentDictionary` again.
  public func encodedChunks() -> [[UInt8]] { [] }
}
