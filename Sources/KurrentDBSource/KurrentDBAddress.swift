public import EventSource
import Platform

/// Where an event store is, who we are there, and what is wanted of it: a connection string of the official clients,
/// with parameters of our own. Holds the password: print `location`, never the value.
public struct KurrentDBAddress: Equatable, Sendable {
  public struct Problem: Error, Equatable, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String
    public var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
  }

  public struct Host: Hashable, Sendable {
    public var name: String
    public var port: Int

    /// As in a URL.
    var text: String { (name.contains(":") ? "[\(name)]" : name) + ":\(port)" }
  }

  /// Which node of a cluster is asked first; another one is used if there is none of its kind.
  public enum NodePreference: String, Sendable, CaseIterable {
    case leader, follower, random
    case readOnlyReplica = "readonlyreplica"
  }

  /// Which events the server sends.
  public enum Filter: Equatable, Sendable {
    /// Every event whose type has no `$`, and the types of the system that mean something to Clew.
    case usual
    /// All, links included: two to five times as many where the system projections run.
    case none
    case streamPrefixes([String])
    case typePrefixes([String])
    /// .NET regular expressions.
    case streamPattern(String)
    case typePattern(String)
  }

  public static let schemes = ["kurrentdb", "esdb", "kurrent", "kdb"]
  static let defaultPort = 2113

  public var hosts: [Host] = []
  /// Ask the hosts for the members of their cluster, and go to the preferred one.
  public var discovers = false
  public var user: String?
  public var password: String?
  public var usesTLS = true
  public var verifiesServer = true
  public var caFile: String?
  public var certificateFile: String?
  public var keyFile: String?
  public var connectionName = "clew"
  /// The official clients say `leader`; a reader that does not need it takes load off it.
  public var nodePreference = NodePreference.follower
  public var maxDiscoverAttempts = 10
  public var discoveryIntervalSeconds = 0.1
  public var gossipTimeoutSeconds = 5.0
  public var deadlineSeconds = 10.0
  /// 0: none.
  public var keepAliveIntervalSeconds = 10.0
  public var keepAliveTimeoutSeconds = 10.0
  public var filter = Filter.usual
  /// Offer gzip to the server: fewer bytes, at a fifth of the rate.
  public var acceptsGzip = false
  /// `name=`; else scheme and hosts. Part of the identity of events, so permanent.
  public var name = ""
  public var profile: MetadataProfile?

  /// Whether a URL of a source is one of this kind, by its scheme.
  public static func claims(_ text: String) -> Bool {
    guard let end = text.firstIndex(of: ":") else { return false }
    let scheme = text[..<end].lowercased()
    return schemes.contains(scheme.hasSuffix("+discover") ? String(scheme.dropLast("+discover".count)) : scheme)
  }

  /// Scheme and hosts, as for people.
  public var location: String {
    "kurrentdb" + (discovers ? "+discover" : "") + "://" + hosts.map(\.text).joined(separator: ",")
  }

  /// - Throws: what is wrong; never with the user or the password in it.
  public static func parse(_ text: String) throws(Problem) -> KurrentDBAddress {
    guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
      throw Problem(message: "the address of an event store begins with kurrentdb:// or esdb://", hint: example)
    }
    var made = KurrentDBAddress()
    var scheme = text[..<colon].lowercased()
    if scheme.hasSuffix("+discover") {
      scheme.removeLast("+discover".count)
      made.discovers = true
    }
    guard schemes.contains(scheme) else {
      throw Problem(message: "the scheme “\(scheme)” is not one of an event store", hint: example)
    }
    let rest = text[colon...].dropFirst(3)
    let halves = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    try made.readHosts(halves[0])
    made.name = made.defaultName
    if halves.count == 2 { try made.readParameters(halves[1]) }
    if made.hosts.count > 1 { made.discovers = true }
    if (made.certificateFile == nil) != (made.keyFile == nil) {
      throw Problem(message: "userCertFile and userKeyFile belong together", hint: "give both, or neither")
    }
    return made
  }

  private static let example = "for example kurrentdb://user:password@host:2113?tls=true"

  /// Scheme, hosts and ports: parameters and who we are do not change what is read. The spellings of the scheme do not
  /// either.
  private var defaultName: String {
    "kurrentdb://" + hosts.map(\.text).joined(separator: ",")
  }

  // MARK: Hosts

  private mutating func readHosts(_ given: Substring) throws(Problem) {
    var place = given
    if place.hasSuffix("/") { place = place.dropLast() }
    // A password may hold an @ that nobody encoded: the last one counts.
    if let at = place.lastIndex(of: "@") {
      let who = place[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let user = Self.decoded(who[0]), !user.isEmpty, let password = Self.decoded(who.count == 2 ? who[1] : "")
      else { throw Problem(message: "user and password have a wrong percent escape, or no user", hint: "") }
      self.user = user
      self.password = password
      place = place[place.index(after: at)...]
    }
    guard !place.contains("/") else {
      throw Problem(message: "the address of an event store has no path", hint: Self.example)
    }
    for part in place.split(separator: ",", omittingEmptySubsequences: false) { hosts.append(try Self.host(part)) }
    guard Set(hosts).count == hosts.count else { throw Problem(message: "a host is named twice", hint: "") }
  }

  private static func host(_ text: Substring) throws(Problem) -> Host {
    var name = text
    var port = defaultPort
    let portStart: Substring.Index?
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      name = text[text.index(after: text.startIndex)..<end]
      let behind = text[text.index(after: end)...]
      portStart = behind.first == ":" ? behind.startIndex : nil
      if portStart == nil && !behind.isEmpty { throw Problem(message: "“\(text)” is no host", hint: "") }
    } else {
      portStart = text.firstIndex(of: ":")
      if let portStart { name = text[..<portStart] }
    }
    if let portStart {
      let digits = text[text.index(after: portStart)...]
      guard let number = Int(digits), (1...65535).contains(number), digits.allSatisfy(\.isNumber) else {
        throw Problem(message: "“\(digits)” is no port", hint: "a port is a number from 1 to 65535")
      }
      port = number
    }
    let isPlain = name.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x3a, 0x5f: true
      default: false
      }
    }
    guard !name.isEmpty, isPlain else { throw Problem(message: "a host is missing, or is none", hint: example) }
    return Host(name: String(name), port: port)
  }

  /// Percent escapes decoded; nil for a wrong one, or one that gives no UTF-8.
  static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == 0x25 else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.first != 0x2b, digits.first != 0x2d,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
