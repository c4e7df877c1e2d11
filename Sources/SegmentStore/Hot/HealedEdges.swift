import EventModel

/// Edges of children in older files that were drawn while this file was written: their causes came with it, or what
/// was derived before had to be worked out again. At most one for each child.
struct HealedEdges {
  private(set) var edges: [SegmentEdge] = []
  private var places: [Int64: Int] = [:]

  subscript(child: Int64) -> SegmentEdge? { places[child].map { edges[$0] } }

  mutating func set(_ edge: SegmentEdge) {
    if let place = places[edge.childOrdinal] {
      edges[place] = edge
    } else {
      places[edge.childOrdinal] = edges.count
      edges.append(edge)
    }
  }

  /// - Returns: the edge that was there.
  mutating func remove(_ child: Int64) -> SegmentEdge? {
    guard let place = places.removeValue(forKey: child) else { return nil }
    let removed = edges[place]
    let last = edges.removeLast()
    if place < edges.count {
      edges[place] = last
      places[last.childOrdinal] = place
    }
    return removed
  }

  var memoryBytes: Int { edges.capacity * MemoryLayout<SegmentEdge>.stride + places.capacity * 24 }
}

extension HotIndex {
  /// What is noted of events of older files, of which these are gone: nothing is to be written about them any more.
  func forgetLater(_ ordinals: ClosedRange<Int64>) {
    late = late.filter { !ordinals.contains($0.key) }
    voidEdges = voidEdges.filter { !ordinals.contains($0.key) }
    corrections = corrections.filter { !ordinals.contains($0.key) }
    reworked = reworked.filter { !ordinals.contains($0.key) }
  }
}
