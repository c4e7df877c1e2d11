public import EventModel

/// The figures of one trace. `eventCount` is the sum of roots, edges, orphans and tops of cycles.
public struct TraceSummary: Hashable, Sendable {
  public var correlation: Identifier
  /// Events, each id once.
  public var eventCount = 0
  public var edgeCount = 0
  /// Events without a cause, or with a root marker in its place.
  public var rootCount = 0
  /// Events with a cause that is no root marker and no event of the trace: span ids and unstored commands included.
  public var orphanCount = 0
  /// Of a root or orphan 1; 0 for a trace without events.
  public var depth = 0
  public var firstEventAt: Timestamp?
  public var lastEventAt: Timestamp?
  /// Last minus first; held at the bounds, never wrapped.
  public var durationNanoseconds: Int64 = 0
  public var failureCount = 0
  /// Why the trace may be incomplete.
  public var missing: [MissingPart] = []

  public init(correlation: Identifier) { self.correlation = correlation }

  /// The figures of a trace, without keeping its tree. Complexity: O(events).
  public init(of contents: TraceContents) {
    var assembly = Assembly(contents)
    for pass in StandardPasses.linking + [orderSiblings] { pass(&assembly) }
    self.init(assembly)
  }

  init(_ assembly: Assembly) {
    correlation = assembly.contents.correlation
    missing = assembly.contents.missing
    let records = assembly.contents.records
    for record in records.indices where !assembly.isDropped[record] {
      eventCount += 1
      if assembly.parent[record] >= 0 {
        edgeCount += 1
      } else if assembly.isOrphan[record] {
        orphanCount += 1
      } else if !assembly.isCycleTop[record] {
        rootCount += 1
      }
      if records[record].failure != .none { failureCount += 1 }
      let created = records[record].created
      firstEventAt = min(firstEventAt ?? created, created)
      lastEventAt = max(lastEventAt ?? created, created)
    }
    depth = Int(assembly.depth.max() ?? 0)
    if let firstEventAt, let lastEventAt { durationNanoseconds = lastEventAt.since(firstEventAt) }
  }
}
