import EventModel
import EventSource

/// What is known of those who read an event store beside Clew: by the word of its services, and by the checkpoints that
/// they keep in the store.
struct ReaderBook {
  /// Of each kind of knowledge; further ones are counted as left out.
  static let countMax = 1000
  /// Of the streams of one place; further ones are left out.
  static let streamsMax = 100

  private var reported: [ReaderProgress.Key: ReaderProgress] = [:]
  private var told: [ReaderProgress.Key: ReaderProgress] = [:]
  private var leftOut: Set<ReaderProgress.Key> = []
  /// Why the server's word may be missing or old.
  private(set) var problem: String?

  /// At least so many are not here; counted up to `countMax`.
  var omittedCount: Int { leftOut.count }

  /// Takes what the services said; with a problem, what they said before stays.
  mutating func take(_ report: ReaderReport) {
    problem = report.problem
    if report.problem == nil {
      reported.removeAll(keepingCapacity: true)
      leftOut.removeAll(keepingCapacity: true)
    }
    for reader in report.readers { put(reader, \.reported) }
  }

  /// Takes what readers wrote themselves.
  mutating func take(_ readers: [ReaderProgress]) {
    for reader in readers { put(reader, \.told) }
  }

  private mutating func put(
    _ reader: ReaderProgress, _ table: WritableKeyPath<ReaderBook, [ReaderProgress.Key: ReaderProgress]>
  ) {
    let key = reader.key
    if self[keyPath: table].count >= Self.countMax, self[keyPath: table][key] == nil {
      if leftOut.count < Self.countMax { leftOut.insert(key) }
      return
    }
    var reader = reader
    reader.checkpoint = reader.checkpoint.map(Self.bounded)
    reader.processed = reader.processed.map(Self.bounded)
    self[keyPath: table][key] = reader
  }

  private static func bounded(_ place: ReaderProgress.Place) -> ReaderProgress.Place {
    guard case .streams(let streams) = place, streams.count > streamsMax else { return place }
    return .streams(Array(streams.prefix(streamsMax)))
  }

  /// By kind, name and what they read. A checkpoint that the server does not tell (projections of its second engine) is
  /// the one that was written.
  var all: [ReaderProgress] {
    var found = reported
    for (key, reader) in told {
      if found[key] == nil { found[key] = reader }
      if found[key]?.checkpoint == nil { found[key]?.checkpoint = reader.checkpoint }
    }
    return found.values.sorted {
      ($0.kind.rawValue, $0.name, $0.reads ?? "") < ($1.kind.rawValue, $1.name, $1.reads ?? "")
    }
  }
}
