public import EventModel

/// The part of a query that can be judged from what stores know of events without their payloads: which traces need
/// not be looked at. It never decides that a trace is found.
///
/// Each condition on names or failure is a bit; the terms that events of a trace meet are added up by `or`.
public struct TracePrefilter: Sendable {
  private enum Condition: Sendable {
    case name(TraceQuery.NameField, TextPattern)
    case failed
  }

  private var conditions: [Condition] = []
  /// Bits of which each must be met by some event of a trace.
  public private(set) var wanted: UInt64 = 0
  /// Bits that no event of a trace may meet.
  public private(set) var unwanted: UInt64 = 0
  /// One bit of `wanted`, likely a rare one: an event that meets it leads to every trace that can be found. 0: none.
  public private(set) var leading: UInt64 = 0
  private var durationMin = Int64.min
  private var eventCountMin = Int64.min

  /// - Parameter minDuration: nanoseconds between the first and the last event.
  public init(_ query: TraceQuery, minDuration: Int64? = nil) {
    if let minDuration { durationMin = minDuration }
    var bestRank = Int.max
    for term in query.terms {
      switch term.condition {
      case .name(let field, let pattern) where field != .stream:
        let bit = add(.name(field, pattern), isWanted: !term.isNegated)
        let rank = Self.rank(field) + (pattern.isExact ? 0 : 10)
        if !term.isNegated && rank < bestRank {
          bestRank = rank
          leading = bit
        }
      case .failed(let flag):
        let isWanted = flag != term.isNegated
        let bit = add(.failed, isWanted: isWanted)
        if isWanted && bestRank > Self.rank(.handler) {
          bestRank = Self.rank(.handler)
          leading = bit
        }
      case .duration(let comparison, let bound) where !term.isNegated:
        durationMin = max(durationMin, Self.least(comparison, bound))
      case .eventCount(let comparison, let bound) where !term.isNegated:
        eventCountMin = max(eventCountMin, Self.least(comparison, bound))
      case .depth(let comparison, let bound) where !term.isNegated:
        // A tree is no deeper than it has events.
        eventCountMin = max(eventCountMin, Self.least(comparison, bound))
      default: continue
      }
    }
  }

  private static func rank(_ field: TraceQuery.NameField) -> Int {
    switch field {
    case .type: 0
    case .handler: 2
    case .service: 3
    case .stream, .source: 4
    }
  }

  /// The least value that can meet a comparison.
  private static func least(_ comparison: TraceQuery.Comparison, _ bound: Int64) -> Int64 {
    switch comparison {
    case .equal, .greaterOrEqual: bound
    case .greater: bound == .max ? .max : bound + 1
    case .less, .lessOrEqual: .min
    }
  }

  private mutating func add(_ condition: Condition, isWanted: Bool) -> UInt64 {
    // A query has fewer terms than there are bits.
    let bit: UInt64 = 1 << UInt64(conditions.count)
    conditions.append(condition)
    if isWanted { wanted |= bit } else { unwanted |= bit }
    return bit
  }

  /// No trace can be left out.
  public var isTrivial: Bool { wanted | unwanted == 0 && !boundsTraces }

  /// A trace can be left out for its length in time or events.
  public var boundsTraces: Bool { durationMin > .min || eventCountMin > .min }

  /// The conditions that an event of these names meets, as bits. Names are UTF-8; empty ones are absent.
  public func met(
    source: [UInt8], type: [UInt8], service: [UInt8], handler: [UInt8], isFailed: Bool
  ) -> UInt64 {
    var bits: UInt64 = 0
    for (index, condition) in conditions.enumerated() {
      let isMet: Bool
      switch condition {
      case .failed: isMet = isFailed
      case .name(let field, let pattern):
        let name =
          switch field {
          case .type: type
          case .handler: handler
          case .service: service
          case .source: source
          case .stream: [UInt8]()
          }
        isMet = !name.isEmpty && pattern.matches(name)
      }
      if isMet { bits |= 1 << UInt64(index) }
    }
    return bits
  }

  /// Whether a trace can be found of which so many events, all of them, lie within so many nanoseconds.
  public func mayHold(duration: Int64, eventCount: Int) -> Bool {
    duration >= durationMin && Int64(eventCount) >= eventCountMin
  }

  /// Whether a trace can be found whose events meet these conditions, all taken together.
  public func mayHold(met: UInt64) -> Bool { met & wanted == wanted && met & unwanted == 0 }
}

/// What a search through a store comes across.
public enum SearchStep: Sendable {
  /// A trace that may meet the query.
  case trace(TraceContents)
  /// So many more events were looked at; every trace up to this place was given, or cannot meet the query.
  case passed(eventCount: Int, upTo: TracePlace)
}

extension TracePlace {
  /// The place behind all traces that begin at `time` or later.
  public init(behind time: Timestamp) {
    // No identifier is shown with greater bytes: this is the last character, as often as it fits.
    let last = [UInt8]([0xf4, 0x8f, 0xbf, 0xbf])
    let bytes = (0..<(Identifier.textBytesMax / 4)).flatMap { _ in last }
    self.init(firstEvent: time, correlation: Identifier(text: bytes))
  }
}
