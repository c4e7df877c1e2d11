/// A version of the server, for what differs between them.
struct Version: Comparable {
  var numbers: [Int]

  init(_ numbers: Int...) { self.numbers = numbers }

  /// `24.10.14`; nil for anything else.
  init?(_ text: String) {
    let parts = text.split(separator: ".").map { Int($0) }
    guard parts.count >= 2, !parts.contains(nil) else { return nil }
    numbers = parts.compactMap { $0 }
  }

  static func < (a: Version, b: Version) -> Bool { a.numbers.lexicographicallyPrecedes(b.numbers) }

  var caughtUp: CaughtUpForm {
    if self < Version(23, 10) { return .absent }
    return hasTimestamps ? .fields : .empty
  }

  /// Checkpoints carry the server's time, caught-up messages time and position.
  var hasTimestamps: Bool {
    if numbers.starts(with: [25, 0]) { return self >= Version(25, 0, 1) }
    return self >= Version(24, 10, 5)
  }
}

enum CaughtUpForm: String {
  case absent
  case empty
  case fields
  case prepareZero
}

enum GzipMode: String {
  case off
  /// Every message, for a client that offers it: what servers from 25.1 on do.
  case offered
  /// Every message, whether the client offers it or not.
  case always
  /// Every other message, for a client that offers it.
  case mixed
}

struct User {
  var name: String
  var password: String
  var mayReadAll: Bool
  var mayWrite: Bool
}

struct Member {
  var host: String
  var port: Int
  /// As the schema numbers them; 8 is the leader, 6 a follower, 15 a resigning leader.
  var state: Int
  var isAlive: Bool
  var id: EventID
}

/// How the server behaves; the control line changes it while it runs.
struct Behaviour {
  var version = Version(24, 10, 14)
  var caughtUp: CaughtUpForm?
  /// Payload of a DATA frame at most; every frame is written by itself where it is set.
  var frameBytes: Int?
  var framePauseNanoseconds: UInt64 = 0
  var gzip = GzipMode.off
  /// What a client may send before the server takes it, on connections made from now on.
  var window: Int?
  /// The leader, where this node is none.
  var leader: (host: String, port: Int)?
  /// Empty: no authentication, everyone is admin.
  var users: [User] = []
  var members: [Member] = []
  /// A position that is no record's is refused.
  var refusesForeignPositions = false
  /// Ends of paths that are never answered.
  var silent: [String] = []
}

/// What a call does instead of going on as it should.
struct Fault {
  enum Kind {
    case status(CallStatus)
    case endWithoutStatus
    case reset(UInt32)
    /// GOAWAY, then nothing more, and after that time (nanoseconds) the end of the connection.
    case goAway(UInt64)
    /// The connection is closed in order.
    case close
    /// The connection is torn (RST).
    case cut
    /// The call says nothing more; the connection lives.
    case hang
    /// The connection is neither read nor written any more, pings included.
    case freeze
    /// A message that announces more than follows, then the kind of end.
    case truncated(status: Bool)
    /// A prefix that announces so many bytes, and some of them.
    case announced(Int)
    /// A message that is no protobuf, then on.
    case garbage
    /// A prefix with a flag that does not exist.
    case badFlag
    /// Any message, then on.
    case message([UInt8])
    /// An answer that is no gRPC, as proxies give it.
    case http(status: Int, body: String)
  }

  /// End of the path of the calls it strikes.
  var path: String
  /// After so many messages; with `isBeforeHeaders` before anything.
  var after: Int
  var isBeforeHeaders: Bool
  /// How many calls it strikes; 0: all.
  var times: Int
  var onlySubscriptions: Bool
  var kind: Kind

  var endsCall: Bool {
    switch kind {
    case .garbage, .message: false
    default: true
    }
  }
}

/// Faults at random: after every so many messages on average, one of the kinds.
struct Chaos {
  var meanMessages: Int
  var kinds: [Fault.Kind]
  private var state: UInt64

  init(seed: UInt64, meanMessages: Int, kinds: [Fault.Kind]) {
    state = seed &* 2 &+ 1
    self.meanMessages = max(1, meanMessages)
    self.kinds = kinds
  }

  private mutating func random(_ bound: Int) -> Int {
    // splitmix64
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return Int((mixed ^ (mixed >> 31)) >> 1) % bound
  }

  mutating func fault() -> Fault? {
    guard !kinds.isEmpty else { return nil }
    let after = random(2 * meanMessages)
    return Fault(
      path: "Streams/Read", after: after, isBeforeHeaders: after < meanMessages / 20, times: 1,
      onlySubscriptions: true, kind: kinds[random(kinds.count)])
  }
}
