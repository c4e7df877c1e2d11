internal import EventModel

/// Lays the trees out depth first, parents before children; tops and siblings by ordinal, which is the order of
/// positions within a source.
func orderSiblings(_ assembly: inout Assembly) {
  let count = assembly.parent.count
  var firstChild = [Int32](repeating: -1, count: count)
  var nextSibling = [Int32](repeating: -1, count: count)
  var firstTop: Int32 = -1
  for record in (0..<count).reversed() where !assembly.isDropped[record] {
    let parent = Int(assembly.parent[record])
    if parent < 0 {
      nextSibling[record] = firstTop
      firstTop = Int32(record)
    } else {
      nextSibling[record] = firstChild[parent]
      firstChild[parent] = Int32(record)
    }
  }

  let kept = count - assembly.droppedCount
  assembly.order.reserveCapacity(kept)
  assembly.depth.reserveCapacity(kept)
  assembly.subtreeEnd = Array(repeating: 0, count: kept)
  // Places of the records on the way from the top to the current one.
  var path: [Int32] = []
  var current = firstTop
  while current >= 0 {
    path.append(Int32(assembly.order.count))
    assembly.order.append(current)
    assembly.depth.append(Int32(path.count))
    var next = firstChild[Int(current)]
    while next < 0, let place = path.popLast() {
      assembly.subtreeEnd[Int(place)] = Int32(assembly.order.count)
      next = nextSibling[Int(assembly.order[Int(place)])]
    }
    current = next
  }
}
