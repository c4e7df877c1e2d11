internal import EventModel

/// The chain of causes that ends with the event created last (of several the one stored first): what the duration of
/// the trace was spent on.
func computeCriticalPath(_ assembly: inout Assembly) {
  let records = assembly.contents.records
  var last = -1
  for record in records.indices where !assembly.isDropped[record] {
    if last < 0 || records[record].created > records[last].created { last = record }
  }
  var path: [Int32] = []
  while last >= 0 {
    path.append(Int32(last))
    last = Int(assembly.parent[last])
  }
  assembly.criticalPath = path.reversed()
}
