internal import EventModel

/// A place to go on from, as opaque text. It names the last event shown, so that it stays good while events arrive:
/// what was shown is not shown again. Events that arrive before the cursor are seen on the next walk.
public struct TraceCursor: Hashable, Sendable {
  public var lastOrdinal: Int64

  public init(lastOrdinal: Int64) { self.lastOrdinal = lastOrdinal }

  /// Nil if the text is no cursor of a trace.
  public init?(_ text: String) {
    guard text.hasPrefix("t1-"), let ordinal = Int64(text.dropFirst(3)), ordinal >= 0 else { return nil }
    lastOrdinal = ordinal
  }

  public var text: String { "t1-\(lastOrdinal)" }
}

/// One row of a trace: an event, or what stands for many siblings.
public enum TraceRow: Hashable, Sendable {
  /// By place.
  case event(Int)
  case fold(SiblingFold)
}

/// Siblings of one type under one parent, too many to show them all: the figures of all of them.
public struct SiblingFold: Hashable, Sendable {
  /// Place of the parent.
  public var parent: Int
  /// Depth of the siblings.
  public var depth: Int
  /// Index of their type in `TraceContents.names`.
  public var type: UInt32
  /// All siblings of this type, those shown before the fold included.
  public var count: Int
  /// Those that are not shown, with everything below them.
  public var foldedCount: Int
  public var failureCount: Int
  /// Reaction latency over all `count`, nanoseconds, nearest rank.
  public var minimum: Int64
  public var p50: Int64
  public var p90: Int64
  public var p99: Int64
  public var maximum: Int64
  /// Place and ordinal of the first sibling that is not shown; the fold stands where it would.
  public var firstFolded: Int
  public var firstFoldedOrdinal: Int64
}

/// When siblings are folded.
public struct FoldRule: Hashable, Sendable {
  /// Folds more than this many siblings of one type under one parent.
  public var above: Int
  /// How many of them are shown before the fold; less than `above`.
  public var shown: Int

  public init(above: Int = 100, shown: Int = 10) {
    self.above = max(1, above)
    self.shown = min(max(0, shown), self.above)
  }
}

/// A trace's rows under a rule of folding; without a rule, all its events. Made once, paged through often.
public struct TraceRows: Sendable {
  public let tree: TraceTree
  /// Folds by the place of their first folded sibling.
  private var folds: [Int: SiblingFold] = [:]
  private var isFolded: [Bool] = []

  /// Complexity: O(events).
  public init(_ tree: TraceTree, fold rule: FoldRule? = nil) {
    self.tree = tree
    guard let rule, tree.count > rule.above else { return }
    isFolded = Array(repeating: false, count: tree.count)
    for parent in tree.places where tree.subtree(at: parent).count > rule.above { foldChildren(of: parent, rule) }
  }

  /// The next rows of `range` (a subtree, or `tree.places`) behind `cursor`, at most `limit`, and the cursor for the
  /// rest (nil at the end).
  ///
  /// - Returns: nil if the cursor names no event of the range: it belongs to another trace or subtree, or its event
  ///   was deleted.
  public func page(
    in range: Range<Int>, after cursor: TraceCursor? = nil, limit: Int
  ) -> (rows: [TraceRow], next: TraceCursor?)? {
    var place = range.lowerBound
    if let cursor {
      guard let last = tree.place(ofOrdinal: cursor.lastOrdinal), range.contains(last) else { return nil }
      place = isHidden(last) && last != range.lowerBound ? tree.subtree(at: last).upperBound : last + 1
    }
    var rows: [TraceRow] = []
    rows.reserveCapacity(min(max(0, limit), range.count))
    var lastOrdinal: Int64 = 0
    while place < range.upperBound {
      // The first event of a subtree that was asked for is shown even where its siblings are folded.
      if isHidden(place), place != range.lowerBound {
        let fold = folds[place]
        if fold != nil && rows.count == limit { break }
        if let fold {
          rows.append(.fold(fold))
          lastOrdinal = fold.firstFoldedOrdinal
        }
        place = tree.subtree(at: place).upperBound
        continue
      }
      if rows.count == limit { break }
      rows.append(.event(place))
      lastOrdinal = tree.record(at: place).ordinal
      place += 1
    }
    return (rows, place < range.upperBound && !rows.isEmpty ? TraceCursor(lastOrdinal: lastOrdinal) : nil)
  }

  private func isHidden(_ place: Int) -> Bool { !isFolded.isEmpty && isFolded[place] }

  private mutating func foldChildren(of parent: Int, _ rule: FoldRule) {
    let children = tree.children(at: parent)
    guard children.count > rule.above else { return }
    var byType: [UInt32: [Int]] = [:]
    for child in children { byType[tree.record(at: child).type, default: []].append(child) }
    for (type, siblings) in byType where siblings.count > rule.above {
      var latencies = siblings.map { tree.reactionLatency(at: $0) ?? 0 }
      latencies.sort()
      func rank(_ percent: Int) -> Int64 { latencies[max(0, (latencies.count * percent + 99) / 100 - 1)] }
      let first = siblings[rule.shown]
      folds[first] = SiblingFold(
        parent: parent, depth: tree.depth(at: first), type: type, count: siblings.count,
        foldedCount: siblings.count - rule.shown,
        failureCount: siblings.count { tree.record(at: $0).failure != .none }, minimum: latencies[0], p50: rank(50),
        p90: rank(90), p99: rank(99), maximum: latencies[latencies.count - 1], firstFolded: first,
        firstFoldedOrdinal: tree.record(at: first).ordinal)
      for sibling in siblings.dropFirst(rule.shown) { isFolded[sibling] = true }
    }
  }
}
