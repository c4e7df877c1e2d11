/// One business flow of the workload while it lasts.
struct ShopTrace {
  var correlation: RandomUUID
  /// One trace in seven spells its id without dashes.
  var hasDashes: Bool
  /// What the first event names as its cause: the trace itself, or a command that was not stored.
  var rootCause: RandomUUID
  var user: Int
  /// Events still to come.
  var left: Int
  /// Events in the queue.
  var pending = 1
  var currency: Int
  var cents: Int
  var articles: [Int]
  /// By category; nil until the trace touches one.
  var streams: [ShopStream?]
}

struct ShopStream {
  var id: RandomUUID
  /// Where its revision is counted.
  var counter: Int
}

/// All streams of the shop, and how many events each has.
struct ShopStreams {
  /// So many streams that live as long as their trace are remembered for later traces to come back to.
  static let recentMax = 65_536

  private let schema: ShopSchema
  private var ranks: [Int: Zipf] = [:]
  private var revisions: [UInt32] = []
  /// Where the counters of a category's users or catalogue begin.
  private var firstCounters: [Int]
  private var recent: [[ShopStream]]
  private var nextRecent: [Int]

  init(_ schema: ShopSchema) {
    self.schema = schema
    firstCounters = []
    var count = 0
    for (number, category) in schema.categories.enumerated() {
      firstCounters.append(count)
      switch category.lifetime {
      case .trace: break
      case .user: count += ShopSchema.userCount
      case .catalogue(let size):
        ranks[number] = Zipf(size, exponent: 0.9)
        count += size
      }
    }
    revisions = Array(repeating: 0, count: count)
    recent = Array(repeating: [], count: schema.categories.count)
    nextRecent = Array(repeating: 0, count: schema.categories.count)
  }

  /// The stream that a trace uses of a category, always the same one.
  mutating func stream(of trace: inout ShopTrace, _ category: Int, _ random: inout Random) -> ShopStream {
    if let known = trace.streams[category] { return known }
    let stream: ShopStream
    switch schema.categories[category].lifetime {
    case .user:
      stream = ShopStream(
        id: Self.identity(category, trace.user), counter: firstCounters[category] + trace.user)
    case .catalogue:
      let rank = ranks[category]?.draw(&random) ?? 0
      stream = ShopStream(
        id: Self.identity(category, 500_000 + rank), counter: firstCounters[category] + rank)
    case .trace: stream = aggregate(category, &random)
    }
    trace.streams[category] = stream
    return stream
  }

  /// A new aggregate, or one time in four one that an earlier trace made.
  private mutating func aggregate(_ category: Int, _ random: inout Random) -> ShopStream {
    if recent[category].count > 1_000 && random.chance(0.25) {
      return recent[category][random.below(recent[category].count)]
    }
    let stream = ShopStream(id: random.uuid(), counter: revisions.count)
    revisions.append(0)
    if recent[category].count < Self.recentMax {
      recent[category].append(stream)
    } else {
      recent[category][nextRecent[category]] = stream
      nextRecent[category] = (nextRecent[category] + 1) % Self.recentMax
    }
    return stream
  }

  static func identity(_ category: Int, _ number: Int) -> RandomUUID {
    RandomUUID(of: UInt64(category) &* 1_000_003 &+ UInt64(number))
  }

  /// The revision of the stream's next event.
  mutating func nextRevision(_ stream: ShopStream) -> Int {
    revisions[stream.counter] += 1
    return Int(revisions[stream.counter]) - 1
  }

  mutating func article(_ random: inout Random) -> Int { ranks[6]?.draw(&random) ?? 0 }
}
