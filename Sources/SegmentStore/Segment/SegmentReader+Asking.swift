import EventModel
import SegmentBlocks
import TraceStore

// Blocks are asked before they are inflated where the index leads to many.

extension SegmentReader {
  /// More blocks than a key that looks alike to the index usually adds: one of these may be the key of a stream that is
  /// in hundreds.
  private static let blocksUnasked = 4

  /// Whether a block that the index names has to be looked into. Reads its row at most, and where only the key is known
  /// its head, and that only if the index named many. False is certain. Blocks are not asked for a text.
  ///
  /// - Parameters:
  ///   - kind: what is looked for; not a stream.
  ///   - identifier: which of those that share the key is meant; nil: any.
  func deserves(
    _ kind: IndexKind, _ key: IdentifierKey, _ identifier: Identifier?, block number: Int, of numbers: [Int]
  ) throws(StoreError) -> Bool {
    guard numbers.count > Self.blocksUnasked, hasHeads, identifier?.isUUID ?? true, cachedBlock(number) == nil else {
      return true
    }
    // It is known to be of that trace.
    if kind == .correlation, onlyTrace(ofBlock: number) != nil { return true }
    if try mayHold(key, block: number) { return true }
    return identifier == nil ? try hasTexts(kind, block: number) : false
  }

  private func mayHold(_ uuid: IdentifierKey, block number: Int) throws(StoreError) -> Bool {
    unsafe try withDataRow(number) { (row) throws(BlockError) in
      unsafe try DataRow.mayHold(uuid, in: row, number: number)
    }
  }

  /// Whether one of the identifiers of that kind in a block is a text, which may have the key of any UUID.
  private func hasTexts(_ kind: IndexKind, block number: Int) throws(StoreError) -> Bool {
    let table = try kinds().table
    let head = try self.head(of: number, withOrdinals: false)
    switch kind {
    case .correlation: return head.hasTextTraces
    case .eventID: return head.hasTextIDs(table)
    case .outsideCause: return head.hasTextCauses(table)
    case .stream: return true
    }
  }
}
