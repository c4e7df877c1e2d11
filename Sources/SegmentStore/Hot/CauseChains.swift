import EventModel

/// The events of one hot file by the cause that they name: made when it is asked for the first time, and brought up to
/// date at each question. Most files are never asked.
///
/// Events whose causes share 16 bits of their hash are one list. Without it an id that comes from ten sources would let
/// the writer look at every hot event for each of them.
struct CauseChains {
  private static let none = UInt32.max
  /// By those 16 bits: the last event.
  private var lasts: [UInt32] = []
  /// By place: the event before it in its list.
  private var previous: ContiguousArray<UInt32> = []

  var memoryBytes: Int { (lasts.capacity + previous.capacity) * MemoryLayout<UInt32>.stride }

  /// Places of the events with that tag, ascending. Complexity: O(events since the last question, and those found).
  ///
  /// - Parameters:
  ///   - count: how many events there are.
  ///   - tagOf: the tag of an event, by place.
  mutating func places(tag: UInt16, count: Int, tagOf: (Int) -> UInt16) -> [Int] {
    if lasts.isEmpty { lasts = Array(repeating: Self.none, count: 1 << 16) }
    for place in previous.count..<max(previous.count, count) {
      let tag = Int(tagOf(place))
      previous.append(lasts[tag])
      lasts[tag] = UInt32(place)
    }
    var places: [Int] = []
    var next = lasts[Int(tag)]
    while next != Self.none {
      places.append(Int(next))
      next = previous[Int(next)]
    }
    places.reverse()
    return places
  }
}

extension HotIndex {
  /// As `places(causedBy:)`, without looking at every event. Only for the writing thread.
  func chainedPlaces(causedBy cause: IdentifierKey) -> [Int] {
    causeChains.places(tag: Self.causeHash(hash.key(cause)), count: count) { causeTag($0) }
  }

  /// What is known of events of older files, and what only some events need.
  var lateBytes: Int {
    // A dictionary keeps a bit for each place beside keys and values.
    let late = late.capacity * (MemoryLayout<(Int64, LateAssignment)>.stride + 1)
    let voids = voidEdges.capacity * (MemoryLayout<(Int64, VoidEdge)>.stride + 1)
    let corrections = corrections.capacity * (MemoryLayout<(Int64, FailureCorrection)>.stride + 1)
    let reworked = reworked.capacity * (MemoryLayout<(Int64, IdentifierKey)>.stride + 1)
    return late + voids + corrections + reworked + causeChains.memoryBytes
  }
}
