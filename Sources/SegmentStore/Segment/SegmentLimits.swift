import SegmentBlocks

/// Every maximum of a segment file, and why. A reader refuses what is beyond them before it allocates anything.
enum SegmentLimits {
  /// A block is closed at the end of the trace that takes it to this size: one block is decompressed whole to answer
  /// for one trace, so that the time of a look-up is about proportional to it (FORMAT.md section 11). A trace that takes a block to twice this size goes on in the next one.
  static let blockRawBytesTarget = 96 * 1024
  /// Events of a block: the places of a head are small numbers.
  static let blockEventCountMax = 16_384
  /// No block inflates to more: what a reader is ready to allocate. It leaves room for one event of 64 MiB, the largest
  /// payload limit that can be configured, behind a block that is about to be closed.
  static let blockRawBytesMax = 68 * 1024 * 1024
  /// The largest event frame that a segment takes.
  static let frameBytesMax = 65 * 1024 * 1024
  /// DEFLATE cannot shrink by more than 1,032 to 1: what claims to, lies about its length.
  static let inflationMax = BlockLimits.inflationMax
  /// Block numbers have at most 20 bits in the index.
  static let blockCountMax = 1 << 20
  /// Rows in one chunk of edges, failures, unresolved, healed and uncorrelated.
  static let chunkRowCountMax = 8_192
  /// A chunk of columns never inflates to more: 8,192 rows with three identifiers of 256 bytes.
  static let chunkRawBytesMax = 8 * 1024 * 1024
  /// A filter is kept in memory whole.
  static let filterBytesMax = 256 * 1024 * 1024
  /// SQLite refuses longer rows in any file it opens for us.
  static let rowBytesMax = 300 * 1024 * 1024
  /// Problems that `verify` lists before it only counts.
  static let problemCountMax = 1_000
}
