import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// `clew demo --store`: the shop writes to an event store, and Clew only reads it.
@Suite(.serialized) struct KurrentDemoTests {
  private static let reading: Set<String> = [
    "/event_store.client.streams.Streams/Read", "/event_store.client.gossip.Gossip/Read",
    "/event_store.client.server_features.ServerFeatures/GetSupportedMethods",
    "/event_store.client.persistent_subscriptions.PersistentSubscriptions/List",
    "/event_store.client.projections.Projections/Statistics",
  ]

  private func demo(_ arguments: [String]) throws -> (process: ChildProcess, address: String) {
    let process = try ChildProcess(Clew.path(), ["demo"] + arguments)
    guard process.waitForOutput("Ctrl-C closes the shop.", seconds: 60) else {
      throw TestSupportError("the demo does not start: \(process.outputText) \(process.errorText)")
    }
    let words = process.outputText.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let address = words.first(where: { $0.hasPrefix("http://127.0.0.1:") }) else {
      throw TestSupportError("no address in \(process.outputText)")
    }
    return (process, address)
  }

  private func json(_ url: String) throws -> JSONValue { try JSONValue.parse(HTTPClient().request("GET", url).body) }

  @Test func `the shop writes to an event store, a handler is a group there, and Clew follows and never writes`() throws
  {
    let server = try KurrentServer()
    let (process, address) = try demo(["--store", server.url, "--rate", "600"])
    func source() -> JSONValue? { (try? json(address + "/api/v1/sources"))?["sources"]?[0] }
    func group() -> JSONValue? { source()?["readers"]?.array?.first { $0["name"]?.string == "notifications" } }

    #expect(eventually(within: 60) { source()?["state"]?.string == "live" }, "\(String(describing: source()))")
    #expect(
      eventually(within: 60) { (group()?["parked"]?.int ?? 0) > 0 && group()?["checkpoint"]?[0] != nil },
      "\(String(describing: source()))")
    let found = try #require(group())
    #expect(found["kind"]?.string == "persistent_subscription" && found["reads"]?.string == "$all", "\(found)")
    #expect(found["connections"]?.int == 1 && found["condition"]?.string == "running", "\(found)")

    // What the group's handler wrote hangs below what it was given; others that were parked have no mail.
    #expect(
      eventually(within: 60) {
        (try? json(address + "/api/v1/traces?limit=1&q=type:ConfirmationMailSent"))?["traces"]?[0] != nil
      })
    let trace = try json(address + "/api/v1/traces?limit=1&q=type:ConfirmationMailSent")["traces"]?[0]
    let id = try #require(trace?["correlationId"]?.string)
    let events = try #require(try json(address + "/api/v1/traces/\(id)")["events"]?.array)
    let mail = try #require(events.first { $0["type"]?.string == "ConfirmationMailSent" })
    let cause = events.first { $0["id"]?.string == mail["parentId"]?.string }
    #expect(cause?["type"]?.string == "OrderConfirmed" && mail["handler"]?.string == "mailer", "\(mail)")
    #expect(mail["reactionLatencySeconds"]?.double ?? -1 >= 0)
    let handlers = try json(address + "/api/v1/handlers")["handlers"]?.array ?? []
    let services = Set(handlers.compactMap { $0["service"]?.string })
    #expect(services.isSuperset(of: ["shop", "billing", "notifications"]))
    let metrics = try HTTPClient().request("GET", address + "/metrics").text
    let processing = "clew_handler_processing_seconds_count{source=\"\(source()?["name"]?.string ?? "")\""
    #expect(metrics.contains(processing), "reports of handlers are of the events that were followed")

    let calls = try server.calls()
    let ofClew = calls.filter { $0["headers"]?["connection-name"]?.string == "clew" }
    #expect(ofClew.count > 5)
    let paths = Set(ofClew.compactMap { $0["path"]?.string })
    #expect(paths.isSubset(of: Self.reading))
    let ofShop = Set(
      calls.filter { $0["headers"]?["connection-name"]?.string == "clew-demo-shop" }.compactMap {
        $0["path"]?.string?.split(separator: "/").last.map(String.init)
      })
    #expect(ofShop == ["BatchAppend", "Create", "Read"])
    process.kill(SIGINT)
    #expect(process.wait(seconds: 60) == .exited(0), "\(process.errorText)")
  }

  @Test func `an event store that restarts empty costs the shop a pause`() throws {
    let server = try KurrentServer()
    let (process, address) = try demo(["--store", server.url, "--rate", "600", "--log-level", "error"])
    let port = server.port
    server.process.kill()
    _ = server.process.wait(seconds: 20)
    let again = try KurrentServer(port: port)
    #expect(eventually(within: 60) { (try? again.counter("events")) ?? 0 > 20 }, "the shop writes again")
    #expect(
      eventually(within: 60) { (try? again.calls("PersistentSubscriptions/Read"))?.isEmpty == false },
      "and its group is made again")
    #expect(try HTTPClient().request("GET", address + "/livez").status == 200)
    process.kill(SIGTERM)
    #expect(process.wait(seconds: 60) != nil)
  }

  @Test func `an event store that is not there, or may not be written or read, is said at once`() throws {
    let directory = try TemporaryDirectory("demo-errors")
    let server = try KurrentServer()
    let users = [
      #"{"name":"admin","password":"changeit"}"#, #"{"name":"guest","password":"p","mayWrite":false}"#,
      #"{"name":"blind","password":"p","mayReadAll":false}"#,
    ]
    try server.command(#"{"do":"behave","users":[\#(users.joined(separator: ","))]}"#)
    let cases = [
      ("kurrentdb://127.0.0.1:1?tls=false", "nobody answers"),
      ("kurrentdb://admin:wrong@\(server.address)?tls=false", "password is wrong"),
      ("kurrentdb://guest:p@\(server.address)?tls=false", "administrator's rights"),
      ("kurrentdb://blind:p@\(server.address)?tls=false", "may not read $all"),
      ("kurrentdb://admin:changeit@\(server.address)", "tls=false"),
      ("redis://127.0.0.1:6379", "EventStoreDB and KurrentDB only"),
    ]
    for (url, words) in cases {
      let result = try Clew.run(
        ["demo", "--store", url, "--for", "5s"], environment: ["TMPDIR": directory.path], seconds: 60)
      #expect(result.exitCode == 2, "\(url)")
      #expect(result.errorText.contains(words), "\(url): \(result.errorText)")
      #expect(!result.errorText.contains("changeit") && !result.errorText.contains(":p@"))
    }
    #expect(try Files.list(directory.path).isEmpty)
  }
}
