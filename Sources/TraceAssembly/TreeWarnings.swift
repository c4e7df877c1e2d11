internal import EventModel

extension TraceTree {
  /// What is odd about one event, in the order of the passes. Complexity: O(log findings).
  public func warnings(at place: Int) -> [TraceWarning] {
    let record = order[place]
    var low = 0
    var high = findings.count
    while low < high {
      let middle = (low + high) / 2
      if findings[middle].record < record { low = middle + 1 } else { high = middle }
    }
    var warnings: [TraceWarning] = []
    while low < findings.count, findings[low].record == record {
      warnings.append(warning(findings[low].finding, place))
      low += 1
    }
    return warnings
  }

  /// How many events have a warning of each code.
  public var warningCounts: [TraceWarning.Code: Int] {
    var counts: [TraceWarning.Code: Int] = [:]
    var last: (record: Int32, code: TraceWarning.Code)?
    for (record, finding) in findings {
      let code = Self.code(finding)
      if let last, last == (record, code) { continue }
      last = (record, code)
      counts[code, default: 0] += 1
    }
    return counts
  }

  static func code(_ finding: Finding) -> TraceWarning.Code {
    switch finding {
    case .duplicate: .duplicate
    case .conflict: .conflict
    case .selfCause: .selfCause
    case .cycle, .cycleCut: .cycle
    case .orphan: .orphan
    case .causeInOtherTrace: .causeInOtherTrace
    case .clockSkew: .clockSkew
    }
  }

  private func warning(_ finding: Finding, _ place: Int) -> TraceWarning {
    let record = record(at: place)
    let cause = record.cause.map(\.description) ?? ""
    let message: String
    switch finding {
    case .duplicate(let count, let first):
      message = "this id is stored again with the same fields: \(copies(count, first))"
    case .conflict(let count, let first):
      message = "this id is stored again with other fields, the first one counts: \(copies(count, first))"
    case .selfCause: message = "the event names itself as its cause and is shown as a root"
    case .cycle(let members): message = "the event is one of \(members) whose causes form a cycle"
    case .cycleCut: message = "its cause \(cause) is also its effect: the edge between them is cut here"
    case .orphan: message = "its cause \(cause) is not stored (yet)"
    case .causeInOtherTrace:
      if let cause = record.cause, let known = externalCauses[cause], let trace = known {
        message = "its cause \(cause) belongs to another trace: \(trace)"
      } else {
        message = "its cause \(cause) is stored, but in no trace"
      }
    case .clockSkew:
      let seconds = Double(-(reactionLatency(at: place) ?? 0).clampedAboveMinimum) / 1e9
      message = "created \(seconds) s before its cause: the clocks differ"
    }
    return TraceWarning(Self.code(finding), message)
  }

  private func copies(_ count: Int32, _ first: Int32) -> String {
    let copy = contents.records[Int(first)]
    let stream = copy.stream == 0 ? "no stream" : "stream \(contents.names[copy.stream])"
    let others = count > 1 ? ", and \(count - 1) more" : ""
    return "as event \(copy.ordinal) in \(stream) of source \(contents.names[copy.source])\(others)"
  }

  static func warning(_ missing: MissingPart) -> TraceWarning {
    switch missing {
    case .damagedSegment(let name):
      TraceWarning(.damagedSegment, "segment \(name) is damaged and set aside: events of it may be missing")
    case .droppedByRetention(let ordinals):
      TraceWarning(
        .droppedByRetention,
        "events \(ordinals.lowerBound) to \(ordinals.upperBound) were deleted by retention: some may be of this trace")
    case .droppedOfSource(let name, let ordinals):
      TraceWarning(
        .droppedByRetention,
        "events of source \(name) among \(ordinals.lowerBound) to \(ordinals.upperBound) were deleted by retention: "
          + "some may be of this trace")
    }
  }
}

extension Int64 {
  /// So that it can be negated.
  fileprivate var clampedAboveMinimum: Int64 { Swift.max(self, -.max) }
}
