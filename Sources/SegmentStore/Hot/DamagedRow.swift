import EventModel

/// A row of a hot file that fails its checksum: which ordinals it had.
///
/// What is damaged may be its key, or its count. A key that was believed whatever it says would let all later ordinals
/// begin behind it, up to where there are none left. Rows follow each other without gaps but those that `clew repair`
/// noted, so the place of a row says more than its key.
enum DamagedRow {
  /// - Parameters:
  ///   - next: the ordinal behind the row before.
  ///   - lost: what the catalog says is lost.
  static func ordinals(key: Int64, count: Int, next: Int64, lost: [LostRange]) -> ClosedRange<Int64> {
    let isBehindGap = key > next && lost.contains { $0.first <= next && key - 1 <= $0.last }
    let first = isBehindGap ? key : next
    let countMax = HotFile.chunkBytes / EventFrame.headerBytes
    return first...(first + Int64(min(max(count, 1), countMax)) - 1)
  }
}
