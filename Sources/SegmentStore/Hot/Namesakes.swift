import EventModel

/// Events of one hot file whose id an earlier event of the file has, too: one id in many streams, or stored again.
///
/// The id's first event is found through the index; from there on, questions are answered by hash, however many there
/// are: who is the first of that id in a stream, in a trace, of a source, and the next of that source.
struct Namesakes {
  /// Under a hash of id and stream, trace or source: the first but the id's first.
  private var first: [UInt64: UInt32] = [:]
  /// By the place of the id's first event: all others, ascending.
  private var others: [UInt32: ContiguousArray<UInt32>] = [:]
  private(set) var count = 0

  enum Kind: UInt64 {
    case stream = 1
    case trace = 2
    case source = 3
    /// Behind the one under `source`.
    case sourceNext = 4
  }

  @inline(__always) static func hash(_ id: UInt64, _ kind: Kind, _ value: UInt64, _ hash: HotHash) -> UInt64 {
    hash.pair(id ^ kind.rawValue, value)
  }

  mutating func add(_ place: UInt32, firstOfID: UInt32) {
    others[firstOfID, default: []].append(place)
    count += 1
  }

  /// All but the first, ascending.
  func others(_ firstOfID: UInt32) -> ContiguousArray<UInt32> { others[firstOfID] ?? [] }

  func first(_ hash: UInt64) -> UInt32? { first[hash] }
  mutating func note(_ hash: UInt64, _ place: UInt32) { first[hash] = min(first[hash] ?? .max, place) }
  mutating func set(_ hash: UInt64, _ place: UInt32?) { first[hash] = place }

  var memoryBytes: Int { count * 4 + first.capacity * 16 + others.capacity * 16 }
}
