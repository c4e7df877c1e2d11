import Platform
import TestSupport
import Testing
import WireFormats

/// What is asked of an event store, and of which of its nodes.
@Suite(.serialized) struct KurrentFilterTests {
  private static let written = [
    ("order-1", "OrderPlaced"), ("payment-1", "PaymentTaken"), ("cart-1", "CartFilled"), ("order-1", "OrderCancelled"),
    ("cart-2", "CartFilled"), ("$settings", "$settings"), ("order-2", "OrderPlaced"),
  ]

  private func append(_ server: KurrentServer, _ events: [(stream: String, type: String)]) throws {
    let all = events.map { #"{"stream":"\#($0.stream)","type":"\#($0.type)","data":"{}"}"# }
    try server.command(#"{"do":"append","events":[\#(all.joined(separator: ","))]}"#)
  }

  private static let filters: [(parameters: String, streams: [String])] = [
    ("", ["order-1", "payment-1", "cart-1", "order-1", "cart-2", "order-2"]),
    ("&streamPrefix=order-", ["order-1", "order-1", "order-2"]),
    ("&streamPrefix=order-2&streamPrefix=cart-", ["cart-1", "cart-2", "order-2"]),
    ("&typePrefix=Payment", ["payment-1"]),
    ("&streamPattern=%5E(order%7Cpayment)-1$", ["order-1", "payment-1", "order-1"]),
    ("&typePattern=%5EOrder(%3F!Cancelled)", ["order-1", "order-2"]),
    ("&filter=none", ["order-1", "payment-1", "cart-1", "order-1", "cart-2", "$settings", "order-2"]),
  ]

  @Test(arguments: filters.map(\.parameters))
  func `the server sends what its filter lets pass, and a new start goes on behind it`(_ parameters: String) throws {
    let wanted = try #require(Self.filters.first { $0.parameters == parameters }).streams
    let directory = try TemporaryDirectory("filter")
    let server = try KurrentServer()
    try append(server, Self.written)
    for round in 1...2 {
      let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server, parameters)])
      #expect(clew.hasStored(wanted.count * round, within: 60), "\(clew.said)")
      #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
      #expect(try clew.source["duplicate"]?.int == 0)
      try clew.stop()
      if round == 1 { try append(server, Self.written) }
    }
    let streams = try Clew.lines(["export", "events", "--data", directory.path]).map {
      try JSONValue.parse($0)["stream"]?.string
    }
    #expect(streams == wanted + wanted)
  }

  /// Servers before 23.10 never say it; later ones without fields, with time and position, or with half a position.
  @Test(arguments: ["absent", "empty", "fields", "prepareZero"])
  func `in whatever form a server says that this was all, the source is live, and nothing is stored twice`(
    _ form: String
  ) throws {
    let directory = try TemporaryDirectory("caught-up")
    let server = try KurrentServer()
    try server.command(#"{"do":"behave","caughtUp":"\#(form)"}"#)
    try append(server, Self.written)
    for round in 1...2 {
      let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
      #expect(clew.hasStored(6 * (2 * round - 1), within: 60), "\(clew.said)")
      #expect(eventually(within: 60) { (try? clew.sourceState) == "live" }, "\(clew.said)")
      try append(server, Self.written)
      #expect(clew.hasStored(6 * 2 * round, within: 60), "\(clew.said)")
      #expect(try clew.source["duplicate"]?.int == 0)
      try clew.stop()
      if round == 1 { try append(server, Self.written) }
    }
    #expect(try Clew.lines(["export", "events", "--data", directory.path]).count == 24)
  }

  @Test(arguments: ["leader", "follower"])
  func `a cluster is found by gossip, the preferred node is read, and another one when it has gone`(
    _ preference: String
  ) throws {
    let directory = try TemporaryDirectory("cluster")
    let (leader, follower) = try (KurrentServer(), KurrentServer())
    for server in [leader, follower] {
      try append(server, Self.written)
      let members = [(leader, 8), (follower, 6)].map { #"{"port":\#($0.port),"state":\#($1)}"# }
      try server.command(#"{"do":"behave","members":[\#(members.joined(separator: ","))]}"#)
    }
    try follower.command(#"{"do":"behave","leader":{"port":\#(leader.port)}}"#)
    let (preferred, other) = preference == "leader" ? (leader, follower) : (follower, leader)
    let hosts = "127.0.0.1:\(leader.port),127.0.0.1:\(follower.port)"
    let clew = try ClewServer(
      directory.path,
      [
        "--source",
        "kurrentdb+discover://\(hosts)?tls=false&name=shop&nodePreference=\(preference)&discoveryInterval=1",
      ])
    #expect(clew.hasStored(6, within: 60), "\(clew.said)")
    #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
    #expect(try !preferred.calls("Streams/Read").isEmpty && other.calls("Streams/Read").isEmpty)

    preferred.process.kill()
    _ = preferred.process.wait(seconds: 20)
    // The other one leads now, or did all the time.
    try other.command(#"{"do":"behave","leader":null,"members":[{"port":\#(other.port),"state":8}]}"#)
    try append(other, [("order-3", "OrderPlaced")])
    #expect(clew.hasStored(7, within: 60), "\(clew.said)")
    try clew.stop()
  }

  @Test func `a node that does not lead sends on whoever demands the leader`() throws {
    let directory = try TemporaryDirectory("not-leader")
    let (leader, follower) = try (KurrentServer(), KurrentServer())
    try append(leader, Self.written)
    try follower.command(#"{"do":"behave","leader":{"port":\#(leader.port)}}"#)
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(follower, "&nodePreference=leader")])
    #expect(clew.hasStored(6, within: 60), "\(clew.said)")
    try clew.stop()
  }
}
