import EventSource

// What stands behind the question mark.
extension KurrentDBAddress {
  /// All parameters, as the documents spell them.
  static let parameterNames = [
    "tls", "tlsVerifyCert", "tlsCaFile", "userCertFile", "userKeyFile", "connectionName", "nodePreference",
    "maxDiscoverAttempts", "discoveryInterval", "gossipTimeout", "defaultDeadline", "keepAliveInterval",
    "keepAliveTimeout", "throwOnAppendFailure", "name", "profile", "filter", "streamPrefix", "typePrefix",
    "streamPattern", "typePattern", "gzip",
  ]

  /// Names count in any case, and with or without `-` and `_`, as in the official clients.
  private static func normalized(_ name: Substring) -> String {
    name.lowercased().filter { $0 != "-" && $0 != "_" }
  }

  mutating func readParameters(_ text: Substring) throws(Problem) {
    var seen: Set<String> = []
    for pair in text.split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = Self.normalized(sides[0])
      guard let known = Self.parameterNames.first(where: { $0.lowercased() == key }) else {
        throw Problem(
          message: "an event store has no parameter “\(sides[0])”",
          hint: "known are " + Self.parameterNames.joined(separator: ", "))
      }
      let isList = known == "streamPrefix" || known == "typePrefix"
      guard seen.insert(known).inserted || isList else {
        throw Problem(message: "\(known) is given twice", hint: "")
      }
      guard let value = Self.decoded(sides.count == 2 ? sides[1] : "") else {
        throw Problem(message: "\(known) has a wrong percent escape", hint: "")
      }
      guard !value.isEmpty else { throw Problem(message: "\(known) has no value", hint: "leave it out") }
      try take(known, value)
    }
    let filters = seen.intersection(["filter", "streamPrefix", "typePrefix", "streamPattern", "typePattern"])
    if filters.count > 1 {
      throw Problem(
        message: filters.sorted().joined(separator: " and ") + " exclude each other",
        hint: "the server filters by one thing: streams or types, by prefixes or by a pattern")
    }
  }

  private mutating func take(_ name: String, _ value: String) throws(Problem) {
    switch name {
    case "tls": usesTLS = try Self.bool(name, value)
    case "tlsVerifyCert": verifiesServer = try Self.bool(name, value)
    case "tlsCaFile": caFile = value
    case "userCertFile": certificateFile = value
    case "userKeyFile": keyFile = value
    case "connectionName": connectionName = try Self.headerText(name, value)
    case "nodePreference":
      guard let found = NodePreference(rawValue: value.lowercased()) else {
        throw Problem(
          message: "there is no nodePreference “\(value)”", hint: "leader, follower, random, readOnlyReplica")
      }
      nodePreference = found
    case "throwOnAppendFailure": _ = try Self.bool(name, value)
    case "name": self.name = value
    case "profile":
      guard let found = MetadataProfile.named(value) else {
        throw Problem(
          message: "there is no profile “\(value)”", hint: "known are " + MetadataProfile.names.joined(separator: ", "))
      }
      profile = found
    case "gzip": acceptsGzip = try Self.bool(name, value)
    case "filter", "streamPrefix", "typePrefix", "streamPattern", "typePattern": try takeFilter(name, value)
    default: try takeTime(name, value)
    }
  }

  private mutating func takeFilter(_ name: String, _ value: String) throws(Problem) {
    switch (name, filter) {
    case ("streamPattern", _): filter = .streamPattern(value)
    case ("typePattern", _): filter = .typePattern(value)
    case ("streamPrefix", .streamPrefixes(let before)): filter = .streamPrefixes(before + [value])
    case ("streamPrefix", _): filter = .streamPrefixes([value])
    case ("typePrefix", .typePrefixes(let before)): filter = .typePrefixes(before + [value])
    case ("typePrefix", _): filter = .typePrefixes([value])
    default:
      guard let found = ["usual": Filter.usual, "none": Filter.none][value] else {
        throw Problem(message: "filter is usual or none, not “\(value)”", hint: "or name streamPrefix, typePrefix, …")
      }
      filter = found
    }
    // Such a prefix is no filter: it selects an index, which sends no checkpoints and leaves out events.
    if case .streamPrefixes(let prefixes) = filter, prefixes.contains(where: { $0.hasPrefix("$idx-") }) {
      throw Problem(message: "“\(value)” names an index of the server, not streams", hint: "filter by streams or types")
    }
  }

  /// Milliseconds, but for `gossipTimeout`, which some clients give in seconds: less than 100 are seconds. -1 is "off"
  /// for keep-alive.
  private mutating func takeTime(_ name: String, _ value: String) throws(Problem) {
    guard let number = Int(value), number >= (name.hasPrefix("keepAlive") ? -1 : 0), number <= 1_000_000_000 else {
      throw Problem(message: "\(name) is no number of milliseconds: “\(value)”", hint: "for example \(name)=10000")
    }
    let seconds = Double(number) / 1000
    switch name {
    case "maxDiscoverAttempts": maxDiscoverAttempts = max(1, number)
    case "discoveryInterval": discoveryIntervalSeconds = seconds
    case "gossipTimeout": gossipTimeoutSeconds = max(0.001, number < 100 ? Double(number) : seconds)
    case "defaultDeadline": deadlineSeconds = max(0.001, seconds)
    case "keepAliveInterval": keepAliveIntervalSeconds = max(0, seconds)
    default: keepAliveTimeoutSeconds = max(0, seconds)
    }
  }

  private static func bool(_ name: String, _ value: String) throws(Problem) -> Bool {
    switch value.lowercased() {
    case "true", "1", "yes": return true
    case "false", "0", "no": return false
    default: throw Problem(message: "\(name) is true or false, not “\(value)”", hint: "")
    }
  }

  private static func headerText(_ name: String, _ value: String) throws(Problem) -> String {
    guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }), value.utf8.count <= 256 else {
      throw Problem(message: "\(name) is no plain text of at most 256 bytes", hint: "")
    }
    return value
  }
}
