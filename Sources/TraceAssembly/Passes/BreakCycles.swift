internal import EventModel

/// Cuts each cycle at one edge: the member that was stored last loses its effect inside the cycle. That effect
/// becomes the cycle's top: no parent, depth 1, neither root nor orphan. All members get a warning.
func breakCycles(_ assembly: inout Assembly) {
  let count = assembly.parent.count
  // The walk that saw a record; a walk that meets itself found a cycle. Every record is walked over once.
  var seenBy = [Int32](repeating: -1, count: count)
  for start in 0..<count where seenBy[start] < 0 {
    var current = start
    while current >= 0, seenBy[current] < 0 {
      seenBy[current] = Int32(start)
      current = Int(assembly.parent[current])
    }
    if current >= 0, Int(seenBy[current]) == start { cut(&assembly, through: current) }
  }
}

private func cut(_ assembly: inout Assembly, through member: Int) {
  var members: [Int] = []
  var current = member
  repeat {
    members.append(current)
    current = Int(assembly.parent[current])
  } while current != member
  // Records are by ordinal: the greatest index was stored last.
  let last = members.max() ?? member
  for record in members.sorted() {
    assembly.add(.cycle(members: Int32(members.count)), to: record)
  }
  guard let top = members.first(where: { Int(assembly.parent[$0]) == last }) else { return }
  assembly.parent[top] = -1
  assembly.isCycleTop[top] = true
  assembly.add(.cycleCut, to: top)
}
