import WireFormats

/// What gossip says of the members of a cluster.
struct ClusterMember: Equatable, Sendable {
  /// Numbers as in message MemberInfo of kurrentdb.proto.
  enum State: Int, Sendable {
    case initializing, discoverLeader, unknown, preReplica, catchingUp, clone, follower, preLeader, leader, manager
    case shuttingDown, shutdown, readOnlyLeaderless, preReadOnlyReplica, readOnlyReplica, resigningLeader
  }

  var host: KurrentDBAddress.Host
  /// Nil: a state that this version does not know.
  var state: State?
  var isAlive: Bool

  /// A node in one of these states answers reads; the number is its rank by preference, lower first.
  func rank(_ preference: KurrentDBAddress.NodePreference) -> Int? {
    guard isAlive, let state else { return nil }
    let order: [State] =
      switch preference {
      case .leader: [.leader, .follower, .readOnlyReplica, .preReadOnlyReplica, .readOnlyLeaderless]
      case .follower: [.follower, .leader, .readOnlyReplica, .preReadOnlyReplica, .readOnlyLeaderless]
      case .readOnlyReplica: [.readOnlyReplica, .preReadOnlyReplica, .readOnlyLeaderless, .follower, .leader]
      case .random: [.leader, .follower, .readOnlyReplica, .preReadOnlyReplica, .readOnlyLeaderless]
      }
    guard let place = order.firstIndex(of: state) else { return nil }
    return preference == .random ? 0 : place
  }

  /// The members in the order in which to try them: by preference, at random among equals. Members that cannot be
  /// read from are left out.
  static func order(
    _ members: [ClusterMember], _ preference: KurrentDBAddress.NodePreference, random: (Int) -> Int
  ) -> [KurrentDBAddress.Host] {
    var ranked: [(rank: Int, host: KurrentDBAddress.Host)] = []
    for member in members {
      guard let rank = member.rank(preference) else { continue }
      ranked.append((rank, member.host))
    }
    for index in stride(from: ranked.count - 1, to: 0, by: -1) { ranked.swapAt(index, random(index + 1)) }
    // The order of equals stays: an index is added, because sorting here promises nothing of them.
    return ranked.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
      .map(\.element.host)
  }

  /// Reads message ClusterInfo. Members without an address are left out.
  static func read(_ message: [UInt8]) throws(ProtobufError) -> [ClusterMember] {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      let bytes = UnsafeRawBufferPointer(typed)
      var members: [ClusterMember] = []
      var reader = unsafe ProtobufReader(bytes)
      while unsafe try reader.next() {
        guard unsafe reader.field == 1 else {
          unsafe try reader.skip()
          continue
        }
        if let member = unsafe try member(reader.message()) { members.append(member) }
      }
      return members
    }
  }

  private static func member(_ given: ProtobufReader) throws(ProtobufError) -> ClusterMember? {
    var reader = unsafe given
    var state: UInt64 = 0
    var isAlive = false
    var host: KurrentDBAddress.Host?
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 3: state = unsafe try reader.varint()
      case 4: isAlive = unsafe try reader.bool()
      case 5: host = unsafe try endPoint(reader.message())
      default: unsafe try reader.skip()
      }
    }
    guard let host else { return nil }
    return ClusterMember(host: host, state: State(rawValue: Int(truncatingIfNeeded: state)), isAlive: isAlive)
  }

  private static func endPoint(_ given: ProtobufReader) throws(ProtobufError) -> KurrentDBAddress.Host? {
    var reader = unsafe given
    var name = ""
    var port: UInt64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: name = unsafe try reader.text()
      case 2: port = unsafe try reader.varint()
      default: unsafe try reader.skip()
      }
    }
    return name.isEmpty || port == 0 || port > 65535 ? nil : KurrentDBAddress.Host(name: name, port: Int(port))
  }
}

/// What a server says of itself (message SupportedMethods).
struct ServerFeatures: Equatable, Sendable {
  /// As the server spells it, for example `24.10.14`.
  var version = ""
  /// `service/method`, in lower case.
  var methods: [String] = []

  static func read(_ message: [UInt8]) throws(ProtobufError) -> ServerFeatures {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      let bytes = UnsafeRawBufferPointer(typed)
      var features = ServerFeatures()
      var reader = unsafe ProtobufReader(bytes)
      while unsafe try reader.next() {
        switch unsafe reader.field {
        case 1: features.methods.append(unsafe try method(reader.message()))
        case 2: features.version = unsafe try reader.text()
        default: unsafe try reader.skip()
        }
      }
      return features
    }
  }

  private static func method(_ given: ProtobufReader) throws(ProtobufError) -> String {
    var reader = unsafe given
    var method = ""
    var service = ""
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: method = unsafe try reader.text()
      case 2: service = unsafe try reader.text()
      default: unsafe try reader.skip()
      }
    }
    return service + "/" + method
  }
}
