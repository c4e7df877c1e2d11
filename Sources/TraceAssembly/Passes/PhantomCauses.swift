internal import EventModel

/// A cause that is stored nowhere though several events of the trace name it is a command that was never stored: a
/// phantom node above these events, no missing event. A cause that only one event names leaves an orphan.
func findPhantomCauses(_ assembly: inout Assembly) {
  let records = assembly.contents.records
  var children: [Identifier: [Int32]] = [:]
  for record in records.indices where assembly.isOrphan[record] && assembly.causeKind[record] == .unknown {
    if let cause = records[record].cause { children[cause, default: []].append(Int32(record)) }
  }
  for (cause, named) in children.sorted(by: { $0.value[0] < $1.value[0] }) {
    if named.count == 1 {
      assembly.add(.orphan, to: Int(named[0]))
      continue
    }
    for record in named { assembly.causeKind[Int(record)] = .command }
    assembly.phantoms.append((cause, named))
  }
}
