internal import EventModel

/// Gives each event its parent: the event of this trace that has the id it names as its cause, whatever its source
/// and whenever it was stored.
///
/// Without such an event: no cause, or one that equals the correlation id, makes a root; a span id is a link; any
/// other cause is unknown, which later passes may refine. An event that names itself is a root with a warning, unless
/// its id is the correlation id too: then that is how its producer marks roots.
func linkByCausation(_ assembly: inout Assembly) {
  let records = assembly.contents.records
  let correlation = assembly.contents.correlation
  for record in records.indices where !assembly.isDropped[record] {
    guard let cause = records[record].cause else { continue }
    if records[record].causeIsSpan {
      assembly.causeKind[record] = .span
      assembly.isOrphan[record] = true
      continue
    }
    let parent = assembly.index.find(cause, records)
    if parent == record {
      if cause != correlation { assembly.add(.selfCause, to: record) }
    } else if parent >= 0 {
      assembly.parent[record] = Int32(parent)
      assembly.causeKind[record] = .event
    } else if cause != correlation {
      assembly.causeKind[record] = .unknown
      assembly.isOrphan[record] = true
    }
  }
}
