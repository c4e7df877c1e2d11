internal import EventModel

/// Looks at events whose cause is no event of this trace: a cause that is stored elsewhere is an event of another
/// trace, with a warning; the others stay unknown. All of them stand at the top of the tree, as orphans.
func adoptOrphans(_ assembly: inout Assembly) {
  let records = assembly.contents.records
  for record in records.indices where assembly.isOrphan[record] && assembly.causeKind[record] == .unknown {
    guard let cause = records[record].cause, assembly.externalCauses[cause] != nil else { continue }
    assembly.causeKind[record] = .event
    assembly.add(.causeInOtherTrace, to: record)
  }
}
