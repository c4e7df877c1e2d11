import EventModel
import TestSupport
import TraceAssembly

/// The contents of a trace as a store gives them: ordinals in the order of the events, from 1.
func contents(
  _ trace: String, _ events: [TestEvent], source: (Int) -> String = { _ in "default" }, missing: [MissingPart] = []
) -> TraceContents {
  var stored = EventBatch()
  EventBatch(events).forEach { index, view in stored.append(view, ordinal: Int64(index + 1), sourceIndex: 0) }
  var names = NameTable()
  var records: [TraceRecord] = []
  stored.forEach { index, view in
    let number = names.intern(source(index))
    records.append(TraceRecord(view, source: number, names: &names))
  }
  return TraceContents(correlation: identifier(trace), records: records, names: names, missing: missing)
}

func identifier(_ text: String) -> Identifier {
  guard let id = Identifier(text) else { preconditionFailure("\(text) is no identifier") }
  return id
}

func tree(_ trace: String, _ events: [TestEvent], elsewhere: [Identifier: Identifier?] = [:]) -> TraceTree {
  TraceTree.assemble(contents(trace, events), externalCauses: elsewhere)
}

extension TraceTree {
  /// One line an event: its id, indented by depth.
  var outline: [String] {
    places.map { String(repeating: " ", count: depth(at: $0) - 1) + record(at: $0).id.description }
  }

  func place(_ id: String) -> Int {
    guard let place = place(of: identifier(id)) else { preconditionFailure("\(id) is not in the tree") }
    return place
  }

  func codes(_ id: String) -> [TraceWarning.Code] { warnings(at: place(id)).map(\.code) }

  /// Roots, edges, orphans, depth.
  var figures: [Int] { [summary.rootCount, summary.edgeCount, summary.orphanCount, summary.depth] }
}
