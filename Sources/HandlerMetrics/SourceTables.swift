import EventModel
import PrometheusText

/// A counter by source and one of a closed list of reasons, all exported from the first mention of the source on.
struct ReasonTable<Reason: CaseIterable & RawRepresentable> where Reason.RawValue == Int {
  var table: SeriesTable

  init(_ family: MetricFamily) { table = SeriesTable(family) }

  mutating func add(_ values: [[UInt8]], _ name: (Reason) -> String) {
    for reason in Reason.allCases { _ = table.add(values + [Array(name(reason).utf8)]) }
  }

  subscript(owner: Int, reason: Reason) -> Int64 {
    get { table.values[owner * Reason.allCases.count + reason.rawValue] }
    set { table.values[owner * Reason.allCases.count + reason.rawValue] = newValue }
  }
}

/// What is known of the state of a source; nil where it is not known or does not apply, which leaves the series out.
public struct SourceGauges: Sendable, Equatable {
  public var connected: Bool?
  public var catchingUp: Bool?
  public var headPosition: Int64?
  public var headObservedNanoseconds: Int64?
  public var lagEvents: Int64?
  public var lagNanoseconds: Int64?

  public init() {}
}

/// Families by source alone; the index of a series is the number of its source.
struct SourceTables {
  enum Reconnect: Int, CaseIterable { case dropped, timeout, auth, notLeader, serverClosed, error }

  var backfilled = SeriesTable(MetricCatalogue.eventsBackfilled)
  var bytes = SeriesTable(MetricCatalogue.eventsIngestedBytes)
  var gaps = SeriesTable(MetricCatalogue.sourceGaps)
  var dropped = ReasonTable<DropReason>(MetricCatalogue.eventsDropped)
  var reconnects = ReasonTable<Reconnect>(MetricCatalogue.sourceReconnects)
  var gauges: [SourceGauges] = []
  /// The last accepted position; nil before the first event.
  var position: [Int64?] = []
  /// The newest created time of an accepted event.
  var newest: [Timestamp?] = []
  /// Labels of every family that has `source` alone.
  private(set) var labels: [[UInt8]] = []

  var count: Int { labels.count }

  mutating func add(_ name: [UInt8]) {
    _ = backfilled.add([name])
    _ = bytes.add([name])
    _ = gaps.add([name])
    dropped.add([name]) { $0.name }
    reconnects.add([name]) { reason in
      switch reason {
      case .dropped: "dropped"
      case .timeout: "timeout"
      case .auth: "auth"
      case .notLeader: "not_leader"
      case .serverClosed: "server_closed"
      case .error: "error"
      }
    }
    gauges.append(SourceGauges())
    position.append(nil)
    newest.append(nil)
    labels.append(MetricCatalogue.sourceGaps.rendered([name]))
  }
}

/// The last revision of streams, to find gaps; bounded.
struct RevisionBook {
  private let max: Int
  private var last: [IdentifierKey: Int64] = [:]
  private(set) var evictedCount: Int64 = 0

  init(options: MetricsOptions) { max = options.streamRevisionsMax }

  /// True if revisions of this stream are missing between the event before and this one.
  mutating func isGap(stream: UnsafeRawBufferPointer, source: Int, revision: Int64) -> Bool {
    let hash = unsafe IdentifierKey.hashing(stream)
    let key = IdentifierKey(high: hash.high &+ UInt64(source), low: hash.low)
    let before = last[key]
    if let before, revision <= before { return false }
    if before == nil && last.count >= max {
      evictedCount += Int64(last.count)
      last.removeAll(keepingCapacity: true)
    }
    last[key] = revision
    return before.map { revision > $0 + 1 } ?? false
  }
}
