import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// What the test server does, seen with our client of gRPC.
@Suite(.serialized) struct ServerTests {
  static let fixture = TestSupport.packageRoot + "/Tests/Fixtures/kurrentdb/deleted-and-truncated.jsonl.gz"

  /// `$all`, with structured ids and without a filter, from a position or the start: a subscription, or a count read.
  private func read(from commit: UInt64? = nil, count: UInt64? = nil) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.put(1) { options in
      options.put(2) { all in
        guard let commit else { return all.put(2) { _ in } }
        all.put(1) { position in
          position.put(1, varint: commit)
          position.put(2, varint: commit)
        }
      }
      if let count { options.put(5, varint: count) } else { options.put(6) { _ in } }
      options.put(8) { _ in }
      options.put(9) { form in form.put(1) { _ in } }
    }
    return writer.bytes
  }

  private func request(_ server: KurrentServer, _ message: [UInt8]) -> GRPCRequest {
    GRPCRequest(
      server: "http://\(server.address)", path: "/event_store.client.streams.Streams/Read", message: message)
  }

  private func collect(
    _ server: KurrentServer, _ message: [UInt8]
  ) throws -> (messages: [[UInt8]], status: GRPCStatus) {
    try GRPCCall(request(server, message)).collect(until: Instant.now.advanced(bySeconds: 30))
  }

  @Test func `the log is read as it was recorded, byte for byte`() throws {
    let server = try KurrentServer()
    let count = try server.load(Self.fixture, call: 10)
    let logged = try collect(server, read(count: 100_000))
    try server.replay(Self.fixture, call: 10)
    let replayed = try collect(server, read(count: 100_000))
    #expect(logged.messages.count == count && logged.status.code == 0)
    #expect(logged.messages == replayed.messages)
  }

  @Test func `a call ends as it was told to`() throws {
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10)
    try server.fault("status", after: 5, more: #""code":10,"message":"Consumer too slow, 100 %""#)
    let slow = try collect(server, read())
    #expect(slow.messages.count == 5 && slow.status.code == 10 && slow.status.message == "Consumer too slow, 100 %")
    for kind in ["reset", "cut", "close", "endWithoutStatus", "announced", "badFlag", "goAway"] {
      try server.fault(kind, after: 3)
      #expect(throws: HTTPClientError.self, "\(kind)") { _ = try collect(server, read()) }
    }
    #expect(try server.counter("faults") == 8)
  }

  @Test func `messages in frames of one byte are the same messages`() throws {
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10)
    let whole = try collect(server, read(count: 3)).messages
    try server.command(#"{"do":"behave","frameBytes":1}"#)
    #expect(try collect(server, read(count: 3)).messages == whole)
  }

  @Test func `wrong passwords, missing rights and missing credentials are told apart`() throws {
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10)
    let poor = #"{"name":"poor","password":"p","mayReadAll":false}"#
    try server.command(#"{"do":"behave","users":[{"name":"admin","password":"changeit"},\#(poor)]}"#)
    for (user, code) in [("", 7), ("admin:nope", 16), ("poor:p", 7), ("admin:changeit", 0)] {
      var asked = request(server, read(count: 1))
      let encoded = String(decoding: Base64.encode(Array(user.utf8)), as: UTF8.self)
      if !user.isEmpty { asked.metadata = [("authorization", "Basic " + encoded)] }
      let status = try GRPCCall(asked).collect(until: Instant.now.advanced(bySeconds: 30)).status
      #expect(status.code == code, "\(user)")
      if code == 7 { #expect(status.trailers["exception"] == "access-denied") }
    }
  }

  @Test(.enabled(if: TestSupport.hasSharedData, Comment(rawValue: TestSupport.sharedDataHint)))
  func `ten copies of a log have positions that rise and ids of their own`() throws {
    let server = try KurrentServer()
    let count = try server.load(Self.fixture, call: 10, copies: 10)
    let messages = try collect(server, read(count: 100_000)).messages
    #expect(messages.count == count && count % 10 == 0)
    #expect(Set(messages).count == count)
  }
}
