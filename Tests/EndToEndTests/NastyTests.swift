import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// The corpus of malformed and hostile lines, line by line as its expectation says.
@Suite("Nasty corpus")
struct NastyTests {
  let directory: TemporaryDirectory
  let corpus: [UInt8]
  let expected: JSONValue
  let corpusFile: String

  init() throws {
    directory = try TemporaryDirectory("nasty")
    corpus = try unzipped(Fixtures.path("nasty.ndjson.gz"))
    corpusFile = try directory.write("nasty.ndjson", corpus)
    expected = try JSONValue.parse(Files.read(Fixtures.path("nasty.expected.json"), bytesMax: 4 << 20))
  }

  /// Line numbers with what is expected of each: `accept`, `reject` or `either`.
  func expectations() throws -> [Int: String] {
    var byLine: [Int: String] = [:]
    for test in try #require(expected["cases"]?.array) {
      let lines = try numbers(of: test)
      if let all = test["expect"]?.string {
        for line in lines { byLine[line] = all }
      } else if let each = test["expect"]?.array {
        for (line, expectation) in zip(lines, each) { byLine[line] = expectation.string }
      }
    }
    return byLine
  }

  func numbers(of test: JSONValue) throws -> [Int] {
    let name = test["case"]?.string ?? ""
    let given = try #require(test["lines"]?.array).compactMap(\.int)
    guard given.count == 2, given[1] >= given[0] else { return given }
    // Two numbers are a range, but for the case whose two lines lie far apart.
    return name.hasPrefix("A10") ? given : Array(given[0]...given[1])
  }

  /// The event ids in the lines of one case.
  func idsOfCase(_ name: String) throws -> [String] {
    let test = try #require(expected["cases"]?.array?.first { $0["case"]?.string == name })
    let lines = corpus.split(separator: 0x0a, omittingEmptySubsequences: false)
    return try numbers(of: test).compactMap { try JSONValue.parse(Array(lines[$0 - 1]))["id"]?.string }
  }

  func expectCanary(_ read: ([String]) throws -> JSONValue) throws {
    let canary = try #require(expected["canary"])
    let id = try #require(canary["correlation_id"]?.string)
    let trace = try read(["trace", id, "--json"])
    #expect(trace["eventCount"]?.int == canary["events"]?.int)
    #expect(trace["rootCount"]?.int == canary["roots"]?.int)
    #expect(trace["edgeCount"]?.int == canary["edges"]?.int)
    #expect(trace["depth"]?.int == canary["depth"]?.int)
  }

  func expectTraces(_ read: ([String]) throws -> JSONValue) throws {
    for test in try #require(expected["cases"]?.array) {
      let name = test["case"]?.string ?? "?"
      guard let outcome = test["trace"], let id = outcome["correlation_id"]?.string,
        let events = outcome["events"]?.int, events > 0, test["expect"]?.string == "accept"
      else { continue }
      let trace = try read(["trace", id, "--json"])
      #expect(trace["eventCount"]?.int == events, "\(name): events")
      for (key, ours) in [
        ("roots", "rootCount"), ("orphans", "orphanCount"), ("edges", "edgeCount"), ("depth", "depth"),
      ] {
        // A self-cause may be shown as a root; the corpus leaves that open.
        if let value = outcome[key]?.int { #expect(trace[ours]?.int == value, "\(name): \(key)") }
      }
    }
  }

  @Test func `every line is treated as expected, and the traces are those expected`() throws {
    let counts = try Clew.json(["import", corpusFile, "--data", directory.file("data"), "--json"])
    let refused = Set(try #require(counts["refusals"]?.array).compactMap { $0["line"]?.int })
    for refusal in try #require(counts["refusals"]?.array) {
      #expect(refusal["reason"]?.string?.isEmpty == false)
    }
    for (line, expectation) in try expectations().sorted(by: { $0.key < $1.key }) {
      if expectation == "accept" { #expect(!refused.contains(line), "line \(line) must be stored") }
      if expectation == "reject" { #expect(refused.contains(line), "line \(line) must be refused") }
    }
    func number(_ key: String) -> Int { counts[key]?.int ?? -1 }
    #expect(number("lines") == 216)
    #expect(
      number("lines")
        == number("accepted") + number("duplicate") + number("conflict") + number("refused") + number("blank"))
    try expectCanary { try Clew.json($0 + ["--data", directory.file("data")]) }
    try expectTraces { try Clew.json($0 + ["--data", directory.file("data")]) }
    #expect(try Clew.run(["verify", "--data", directory.file("data")]).exitCode == 0)
  }

  @Test func `the file twice gives the same state`() throws {
    _ = try Clew.json(["import", corpusFile, "--data", directory.file("data"), "--json", "--seal"])
    let before = try Clew.output(["export", "events", "--data", directory.file("data")])
    let again = try Clew.json(["import", corpusFile, "--data", directory.file("data"), "--json"])
    #expect(again["accepted"]?.int == 0)
    #expect(try Clew.output(["export", "events", "--data", directory.file("data")]) == before)
  }

  @Test func `the file reversed gives the same traces`() throws {
    let reversed = corpus.split(separator: 0x0a, omittingEmptySubsequences: false).reversed().joined(separator: [0x0a])
    let file = try directory.write("reversed.ndjson", Array(reversed))
    let data = directory.file("reversed")
    _ = try Clew.json(["import", file, "--data", data, "--json"])
    try expectCanary { try Clew.json($0 + ["--data", data]) }
    let forwards = directory.file("forwards")
    _ = try Clew.json(["import", corpusFile, "--data", forwards, "--json"])
    // Of two events of one id that differ, the first stored one wins: those traces depend on the order by rule.
    let differing = ["65f3efee-9ac4-5005-86f0-06eea34f64da"]
    func traces(_ path: String) throws -> [String] {
      try Clew.lines(["export", "traces", "--data", path]).map { String(decoding: $0, as: UTF8.self) }
        .filter { line in !differing.contains { line.contains($0) } }
    }
    #expect(try traces(data) == traces(forwards))
    // Which edge of a cycle is cut depends on which of its members was stored last: by rule, too.
    let cyclic = try Set(["A4-cycle-of-2", "A5-cycle-of-3-with-tail-and-tree"].flatMap(idsOfCase))
    func edges(_ path: String) throws -> [String] {
      try Clew.lines(["export", "edges", "--data", path]).map { String(decoding: $0, as: UTF8.self) }
        .filter { line in !cyclic.contains { line.contains("\"childId\":\"\($0)\"") } }
    }
    #expect(try edges(data) == edges(forwards))
  }

  @Test func `posting the file gives the same counts and traces`() throws {
    let server = try ClewServer(directory.file("posted"))
    let answer = try server.post("/api/v1/events", corpus)
    #expect(answer.status == 200)
    let posted = try JSONValue.parse(answer.body)
    let imported = try Clew.json(["import", corpusFile, "--data", directory.file("imported"), "--json"])
    for key in ["lines", "accepted", "duplicate", "conflict", "refused", "blank", "refusals"] {
      #expect(posted[key] == imported[key], "\(key)")
    }
    try expectCanary { try Clew.json($0 + ["--server", server.url]) }
    try expectTraces { try Clew.json($0 + ["--server", server.url]) }
    try server.stop()
  }

  @Test func `an id of hostile characters is found by command line and by URL`() throws {
    let id = "a/../b?c=d&e#f%00<script>alert(1)</script>\"'`\\\n\r\t\u{202E}\u{1F600}"
    let server = try ClewServer(directory.file("data"))
    #expect(try server.post("/api/v1/events", corpus).status == 200)
    let trace = try Clew.json(["trace", id, "--json", "--server", server.url])
    #expect(trace["correlationId"]?.string == id)
    #expect(trace["eventCount"]?.int == 1)
    let text = try Clew.run(["trace", id, "--server", server.url]).outputText
    #expect(!text.contains("\u{202E}"), "no direction override reaches the terminal")
    #expect(!text.contains("\r"))
    try server.stop()
  }
}
