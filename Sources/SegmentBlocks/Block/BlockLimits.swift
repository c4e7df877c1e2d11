/// Maxima of blocks of version 3 and of what they share in a segment. A reader refuses what is beyond them.
public enum BlockLimits {
  /// Frames of a block: room for one event of 64 MiB behind a block that is about to be closed.
  public static let frameBytesMax = 68 * 1024 * 1024
  /// What a head or the columns of a block inflate to: literals cost little more than what they stand for.
  public static let inflatedBytesMax = 72 * 1024 * 1024
  /// DEFLATE cannot shrink by more than 1,032 to 1.
  public static let inflationMax = 1_040
  public static let eventCountMax = 65_535
  public static let blockCountMax = 1 << 20
  /// Kinds of events that a segment numbers; further ones carry their names in their block.
  public static let kindCountMax = 16_384
  /// Names of all kinds together.
  public static let kindNameBytesMax = 4 << 20
  /// Pairs of a kind and the kind of its cause that get a rank; further ones are coded by number.
  public static let followerCountMax = 262_144
}
