internal import EventModel

/// Of several records with one id the first stored one counts; the others leave the trace with a warning on it.
///
/// They are a `duplicate` if created, cause, type, service, handler, failure and schema version agree, else a
/// `conflict`. Source, stream, position and revision only say where a copy is stored (one of the first two differs,
/// else the store had dropped it), and payloads are not at hand here.
func dropDuplicates(_ assembly: inout Assembly) {
  let records = assembly.contents.records
  assembly.index = IdentifierIndex(capacity: records.count)
  var copies: [Int: (duplicates: [Int], conflicts: [Int])] = [:]
  for record in records.indices {
    let first = assembly.index.insert(record, records)
    if first == record { continue }
    assembly.isDropped[record] = true
    assembly.droppedCount += 1
    if agree(records[first], records[record]) {
      copies[first, default: ([], [])].duplicates.append(record)
    } else {
      copies[first, default: ([], [])].conflicts.append(record)
    }
  }
  for (first, found) in copies.sorted(by: { $0.key < $1.key }) {
    if let copy = found.duplicates.first {
      assembly.add(.duplicate(count: Int32(found.duplicates.count), first: Int32(copy)), to: first)
    }
    if let copy = found.conflicts.first {
      assembly.add(.conflict(count: Int32(found.conflicts.count), first: Int32(copy)), to: first)
    }
  }
}

private func agree(_ a: TraceRecord, _ b: TraceRecord) -> Bool {
  a.created == b.created && a.cause == b.cause && a.type == b.type && a.service == b.service
    && a.handler == b.handler && a.failure == b.failure && a.schemaVersion == b.schemaVersion
}
