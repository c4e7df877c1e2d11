import Testing

@testable import KurrentDBSource

@Suite struct AddressTests {
  private func parse(_ text: String) throws -> KurrentDBAddress { try KurrentDBAddress.parse(text) }

  @Test(arguments: ["esdb", "kurrentdb", "kurrent", "kdb", "ESDB", "KurrentDB"])
  func `all spellings of the scheme name the same store`(_ scheme: String) throws {
    let one = try parse("\(scheme)://localhost")
    #expect(one.hosts == [KurrentDBAddress.Host(name: "localhost", port: 2113)])
    #expect(one.name == "kurrentdb://localhost:2113" && !one.discovers && one.usesTLS && one.verifiesServer)
    let cluster = try parse("\(scheme)+discover://localhost")
    #expect(cluster.discovers && cluster.name == one.name)
    #expect(KurrentDBAddress.claims("\(scheme)://x") && KurrentDBAddress.claims("\(scheme)+discover://x"))
    #expect(!KurrentDBAddress.claims("file:///x") && !KurrentDBAddress.claims("-"))
  }

  @Test func `hosts, ports and who we are`() throws {
    let made = try parse("esdb://ad%40min:p%3Ass:w@rd@one:2113,two.example.org:2114,[::1]:2115/?tls=false")
    #expect(made.user == "ad@min" && made.password == "p:ss:w@rd")
    #expect(made.hosts.map(\.text) == ["one:2113", "two.example.org:2114", "[::1]:2115"])
    #expect(made.discovers, "several hosts are a cluster")
    #expect(!made.location.contains("ad") && !made.name.contains("p:"))
    #expect(made.location == "kurrentdb+discover://one:2113,two.example.org:2114,[::1]:2115")
  }

  @Test func `every parameter of the official clients is understood, in any spelling`() throws {
    let made = try parse(
      "kurrentdb://h?TLS=false&tls-verify-cert=false&tls_ca_file=%2Fca.crt&userCertFile=/c&userKeyFile=/k"
        + "&connectionName=clew-1&nodePreference=ReadOnlyReplica&maxDiscoverAttempts=3&discoveryInterval=250"
        + "&gossipTimeout=2500&defaultDeadline=4000&keepAliveInterval=-1&keepAliveTimeout=15000"
        + "&throwOnAppendFailure=true&gzip=true&name=orders&profile=eventuous")
    #expect(!made.usesTLS && !made.verifiesServer && made.caFile == "/ca.crt")
    #expect(made.certificateFile == "/c" && made.keyFile == "/k" && made.connectionName == "clew-1")
    #expect(made.nodePreference == .readOnlyReplica && made.maxDiscoverAttempts == 3)
    #expect(made.discoveryIntervalSeconds == 0.25 && made.gossipTimeoutSeconds == 2.5 && made.deadlineSeconds == 4)
    #expect(made.keepAliveIntervalSeconds == 0 && made.keepAliveTimeoutSeconds == 15)
    #expect(made.acceptsGzip && made.name == "orders" && made.profile != nil)
    #expect(try parse("esdb://h?gossipTimeout=5").gossipTimeoutSeconds == 5, "below 100 they are seconds")
    #expect(try !parse("esdb://h").acceptsGzip, "compression costs the server four fifths of its rate")
  }

  @Test func `filters by streams or types, by prefixes or a pattern, but by one of them only`() throws {
    #expect(try parse("esdb://h").filter == .usual)
    #expect(try parse("esdb://h?filter=none").filter == .none)
    #expect(
      try parse("esdb://h?streamPrefix=order-&streamPrefix=user-").filter == .streamPrefixes(["order-", "user-"]))
    #expect(try parse("esdb://h?typePrefix=Order").filter == .typePrefixes(["Order"]))
    #expect(try parse("esdb://h?streamPattern=%5Eorder").filter == .streamPattern("^order"))
    #expect(try parse("esdb://h?typePattern=Placed%24").filter == .typePattern("Placed$"))
  }

  @Test(arguments: [
    ("kurrentdb:/host", "begins with"), ("amqp://host", "scheme"), ("esdb://", "host"), ("esdb://h:0", "port"),
    ("esdb://h:65536", "port"), ("esdb://h:+1", "port"), ("esdb://h/stream", "path"), ("esdb://h,h", "twice"),
    ("esdb://u%zz@h", "escape"), ("esdb://a b", "host"), ("esdb://h?tls=perhaps", "true or false"),
    ("esdb://h?colour=red", "no parameter"), ("esdb://h?tls=true&TLS=true", "twice"),
    ("esdb://h?userCertFile=/c", "both"),
    ("esdb://h?nodePreference=boss", "nodePreference"), ("esdb://h?defaultDeadline=soon", "milliseconds"),
    ("esdb://h?streamPrefix=a&typePrefix=b", "exclude"), ("esdb://h?streamPrefix=%24idx-all", "index"),
    ("esdb://h?profile=nobody", "profile"), ("esdb://h?name=", "no value"), ("esdb://h?connectionName=a%0Ab", "plain"),
  ])
  func `mistakes are named, without the password`(_ text: String, _ word: String) throws {
    let withSecret = text.replacingFirst("://", "://me:geheim@")
    for given in [text, withSecret] {
      do {
        _ = try parse(given)
        Issue.record("\(given) is taken")
      } catch let problem as KurrentDBAddress.Problem {
        #expect(problem.description.contains(word) || given == withSecret, "\(problem)")
        #expect(!problem.description.contains("geheim"))
      }
    }
  }
}

extension String {
  fileprivate func replacingFirst(_ part: String, _ other: String) -> String {
    guard let start = indices.first(where: { self[$0...].hasPrefix(part) }) else { return self }
    return self[..<start] + other + self[start...].dropFirst(part.count)
  }
}
