import Platform
import TestSupport
import Testing

@testable import clew

@Suite("Configuration") struct ConfigurationTests {
  func read(
    _ yaml: String, environment: [String: String] = [:], options: [String: [String]] = [:]
  ) -> ConfigurationReader {
    ConfigurationReader.read(file: Array(yaml.utf8), path: "c.yaml", environment: environment, options: options)
  }

  struct Mistake: Sendable, CustomTestStringConvertible {
    var yaml: String
    var says: String
    var testDescription: String { yaml }
  }

  @Test(arguments: [
    Mistake(yaml: "lisen: 1", says: "c.yaml:1:1: unknown key 'lisen'; did you mean 'listen'?"),
    Mistake(yaml: "data: x\ndata: y", says: "c.yaml:2:1: the key 'data' is given twice"),
    Mistake(yaml: "live_window: 1m\nlive-window: 2m", says: "c.yaml:2:1: the key 'live-window' is given twice"),
    Mistake(yaml: "a: [1", says: "c.yaml:2:1: did not find expected ',' or ']'"),
    Mistake(yaml: "data: x\n\tlisten: y", says: "c.yaml:2:1: "),
    Mistake(yaml: "data: &a x", says: "c.yaml:1:7: anchors"),
    Mistake(yaml: "data: *a", says: "c.yaml:1:7: aliases"),
    Mistake(yaml: "data: !!str x", says: "c.yaml:1:7: tags"),
    Mistake(yaml: "data: x\n---\ndata: y", says: "c.yaml:2:1: a second document"),
    Mistake(yaml: "? [a]\n: b", says: "c.yaml:1:3: a key must be a name"),
    Mistake(yaml: "- a", says: "c.yaml:1:1: the configuration must be a list of 'key: value'"),
    Mistake(yaml: "seal: 5", says: "c.yaml:1:7: seal must be a list of 'key: value'"),
    Mistake(yaml: "seal:\n  evnts: 5", says: "c.yaml:2:3: unknown key 'seal.evnts'; did you mean 'events'?"),
    Mistake(yaml: "seal:\n  events: many", says: "c.yaml:2:11: seal.events cannot be 'many'"),
    Mistake(yaml: "live_window: soon", says: "c.yaml:1:14: live-window cannot be 'soon'"),
    Mistake(yaml: "retention:\n  age: 7 parsecs", says: "c.yaml:2:8: retention.age cannot be '7 parsecs'"),
    Mistake(yaml: "retention: {sources: {a: {age: 7}}}", says: "retention.sources.a.age cannot be '7'"),
    Mistake(yaml: "retention: {sources: {a_b: 7d}}", says: "retention.sources.a_b has one key, age"),
    Mistake(yaml: "retention: {sources: [a]}", says: "retention.sources: NAME=TIME is expected"),
    Mistake(yaml: "listen: here", says: "HOST:PORT is expected"),
    Mistake(yaml: "durability: pwer", says: "did you mean 'power'?"),
    Mistake(yaml: "insecure: maybe", says: "true or false"),
    Mistake(yaml: "data:", says: "c.yaml:1:6: data is empty"),
    Mistake(yaml: "data: [a]", says: "data must be one value"),
    Mistake(yaml: "buckets:\n  reaction-latency: [1s, 1s]", says: "c.yaml:2:26: buckets.reaction-latency: bounds must"),
    Mistake(yaml: "profile: axn", says: "did you mean 'axon'?"),
    Mistake(yaml: "keys:\n  corelation: [a]", says: "did you mean 'correlation'?"),
    Mistake(yaml: "sources:\n  url: x", says: "sources must be a list (lines that begin with '-')"),
    Mistake(yaml: "sources:\n  - name: x", says: "c.yaml:2:5: a source needs a url"),
    Mistake(yaml: "sources:\n  - url: x\n    nmae: y", says: "c.yaml:3:5: unknown key 'sources.0.nmae'"),
    Mistake(yaml: "sources: [{url: a, name: n}, {url: b, name: n}]", says: "two sources have the name 'n'"),
    Mistake(yaml: "handlers: [{type: a}]", says: "a handler rule needs a handler"),
    Mistake(yaml: "handlers: [{handler: a}]", says: "a handler rule needs a type or a category"),
  ])
  func `a mistake is said with its place`(_ mistake: Mistake) {
    let said = read(mistake.yaml).mistakes.map(\.description)
    #expect(said.contains { $0.contains(mistake.says) }, "\(said)")
  }

  @Test func `ages of sources are given by name, in the file and in the environment`() {
    let day: Int64 = 86_400_000_000_000
    let file = read("retention:\n  sources:\n    my_shop: {age: 30d}\n    audit:\n      age: 365d\n")
    #expect(file.mistakes.isEmpty)
    #expect(file.configuration.store.retentionSourceAges == ["my_shop": 30 * day, "audit": 365 * day])
    let variable = ConfigurationReader.read(
      file: nil, path: "", environment: ["CLEW_RETENTION_SOURCES": "my_shop=30d, audit=365d"], options: [:])
    #expect(variable.configuration.store.retentionSourceAges == file.configuration.store.retentionSourceAges)
  }

  @Test func `every mistake is said, not only the first`() {
    #expect(read("lisen: 1\nlive-window: soon\nseal:\n  events: x\n").mistakes.count == 3)
  }

  @Test func `bounds hold against deep, large and many`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(read("a: " + deep).mistakes.first?.description.contains("16 levels") == true)
    let many = "a: [" + String(repeating: "1,", count: 30_000) + "]"
    #expect(read(many).mistakes.first?.description.contains("20000 values") == true)
    let large = ConfigurationReader.read(
      file: [UInt8](repeating: 0x23, count: 2 << 20), path: "c.yaml", environment: [:], options: [:])
    #expect(large.mistakes.first?.description.contains("1 MiB") == true)
  }

  @Test func `bytes that are no text are refused with their place`() {
    let reader = ConfigurationReader.read(
      file: Array("data: ".utf8) + [0xff, 0xfe], path: "c.yaml", environment: [:], options: [:])
    #expect(reader.mistakes.count == 1)
  }

  @Test func `an empty file, and none, give the defaults`() {
    #expect(read("").configuration == Configuration() && read("").mistakes.isEmpty)
    #expect(read("# nothing\n").configuration == Configuration())
    let none = ConfigurationReader.read(file: nil, path: "", environment: [:], options: [:])
    #expect(none.configuration == Configuration() && none.mistakes.isEmpty)
  }

  @Test func `values arrive with their units`() {
    let reader = read(
      """
      listen: "[::1]:8080"
      live_window: all
      seal: {events: 5000, after: 90s}
      retention: {age: 30d, size: 1.5GiB}
      buckets: {reaction-latency: [0.001, 25ms, 1m30s]}
      keys: {correlation: [flow, $x]}
      failure-types: ["*Broke"]
      handlers:
        - {type: Invoice*, category: invoice, handler: invoicing, service: billing}
      sources:
        - {url: "file:///a?follow=true", name: a, profile: axon, keep-data: no, redact: [data.email]}
        - {url: file:///b}
      """)
    #expect(reader.mistakes.isEmpty, "\(reader.mistakes)")
    let made = reader.configuration
    #expect(made.host == "::1" && made.port == 8080)
    #expect(made.metrics.liveWindowNanoseconds == nil)
    #expect(made.store.sealEventCount == 5000 && made.store.sealAfterNanoseconds == 90_000_000_000)
    #expect(made.store.retentionAgeNanoseconds == 2_592_000_000_000_000)
    #expect(made.store.retentionBytes == 1_610_612_736)
    #expect(
      made.metrics.bucketsByFamily["clew_handler_reaction_latency_seconds"] == [1_000_000, 25_000_000, 90_000_000_000])
    #expect(made.reading.correlationKeys == ["flow", "$x"])
    #expect(
      made.reading.handlerRules == [
        HandlerRuleSettings(type: "Invoice*", category: "invoice", handler: "invoicing", service: "billing")
      ])
    #expect(made.sources.map(\.name) == ["a", nil])
    #expect(made.sources[0].reading.profile == "axon" && !made.sources[0].reading.keepsData)
    #expect(made.sources[1].reading.failureTypes == ["*Broke"], "a source begins with the general rules")
    #expect(made.sources[1].reading.profile == "kurrentdb")
  }

  @Test func `the environment is above the file, and options above the environment`() {
    let yaml = "data: file\nlisten: 127.0.0.1:1\nseal: {events: 1}\nsources: [{url: file:///f, name: f}]"
    let environment = [
      "CLEW_LISTEN": "127.0.0.1:2", "CLEW_SEAL_EVENTS": "2", "CLEW_SOURCES_0_NAME": "renamed",
      "CLEW_SOURCES_1_URL": "file:///g", "CLEW_BUCKETS_REACTION_LATENCY": "0.001, 0.0025,1",
      "CLEW_HANDLERS_0_TYPE": "A", "CLEW_HANDLERS_0_HANDLER": "h", "CLEW_WRITE_TOKEN": "secret",
    ]
    let reader = read(yaml, environment: environment, options: ["listen": ["127.0.0.1:3"], "source": ["file:///h"]])
    #expect(reader.mistakes.isEmpty, "\(reader.mistakes.map(\.description))")
    let made = reader.configuration
    #expect(made.dataDirectory == "file" && made.port == 3 && made.store.sealEventCount == 2)
    #expect(made.sources.map(\.url) == ["file:///f", "file:///g", "file:///h"])
    #expect(made.sources[0].name == "renamed")
    #expect(made.metrics.bucketsByFamily.values.first == [1_000_000, 2_500_000, 1_000_000_000])
    #expect(made.reading.handlerRules.map(\.handler) == ["h"])
    #expect(made.writeToken == .value("secret"))
    #expect(read("", environment: ["CLEW_LIVE_WINDOW": "soon"]).mistakes[0].description.contains("CLEW_LIVE_WINDOW"))
    #expect(SettingOverlay.unknownVariables(["CLEW_LISEN": "1", "CLEW_LISTEN": "1"]) == ["CLEW_LISEN"])
  }

  @Test func `every key takes its own default, and every variable has one name`() {
    var names: [String] = []
    for key in ConfigurationKeys.all {
      names.append(key.environment)
      guard !key.fallback.isEmpty else { continue }
      let node = SettingNode(content: .scalar(key.fallback), origin: .option("x"))
      var made = Configuration()
      if let value = try? SettingValueParser.parse(node, key.kind, key.path) {
        key.set(&made, value)
        #expect(made == Configuration(), "\(key.path): the document's default is not the program's")
      } else {
        Issue.record("\(key.path): its default is refused")
      }
    }
    for key in ConfigurationKeys.reading where !key.fallback.isEmpty {
      let node = SettingNode(content: .scalar(key.fallback), origin: .option("x"))
      var made = ReadingSettings()
      key.set(&made, try! SettingValueParser.parse(node, key.kind, key.path))
      #expect(made == ReadingSettings(), "\(key.path)")
      names.append(key.environment)
    }
    #expect(Set(names).count == names.count)
  }

  @Test func `the document in docs is the one that is made from the keys`() throws {
    let path = TestSupport.packageRoot + "/docs/CONFIGURATION.md"
    let text = ConfigurationDocument.text()
    if CurrentProcess.environment("CLEW_WRITE_DOCS") == "1" {
      try Files.replaceAtomically(path, with: Array(text.utf8))
    }
    let written = String(decoding: try Files.read(path, bytesMax: 1 << 20), as: UTF8.self)
    #expect(written == text, "CLEW_WRITE_DOCS=1 swift test --filter ConfigurationTests writes it")
    let example = read(ConfigurationDocument.example)
    #expect(example.mistakes.isEmpty, "\(example.mistakes)")
  }
}

@Suite("Values with units") struct UnitsTests {
  @Test(
    arguments: [
      ("250ms", 250_000_000), ("7d", 604_800_000_000_000), ("1h30m", 5_400_000_000_000), ("0", 0),
      ("1.5s", 1_500_000_000),
      ("2w", 1_209_600_000_000_000), ("10us", 10_000), ("3ns", 3),
    ] as [(String, Int64)])
  func `a time is read`(_ text: String, _ nanoseconds: Int64) {
    #expect(Units.duration(text) == nanoseconds)
  }

  @Test(arguments: ["", "5", "-5s", "5 s", "s", "1e3s", "5 parsecs", "99999999w", ".5s", "1.s", "5s!"])
  func `what is no time is refused`(_ text: String) {
    #expect(Units.duration(text) == nil)
  }

  @Test(
    arguments: [
      ("10GiB", 10_737_418_240), ("512", 512), ("1 KB", 1000), ("1.5MiB", 1_572_864), ("2tb", 2_000_000_000_000),
    ] as [(String, Int)])
  func `a size is read`(_ text: String, _ bytes: Int) {
    #expect(Units.bytes(text) == bytes)
  }

  @Test func `what is no size is refused`() {
    for text in ["", "GiB", "-1", "1XB", "99999999TiB", "1e9"] { #expect(Units.bytes(text) == nil, "\(text)") }
  }

  @Test func `addresses`() {
    #expect(Units.address("127.0.0.1:0")?.host == "127.0.0.1")
    #expect(Units.address("[::1]:80")?.host == "::1")
    #expect(Units.address(":80")?.host == "0.0.0.0")
    for text in ["", "h", "h:", "h:x", "h:65536", "::1:80", "h:-1", "a/b:1", "[x]:1"] {
      #expect(Units.address(text) == nil, "\(text)")
    }
  }

  @Test func `damaged files are refused or read, never a crash`() throws {
    let files = [
      "data: /var/lib/clew\nlisten: 127.0.0.1:9797\nseal:\n  events: 1000\n  after: 10m\n",
      "sources:\n  - url: file:///a?follow=true\n    profile: axon\nbuckets:\n  reaction: [1ms, 5ms, 1s]\n",
      "handlers:\n  - type: 'Order*'\n    category: order\n    handler: billing\nretention: {age: 30d, size: 10GiB}\n",
      "a: &x [1, 2]\nb: *x\n? {c: d}\n: e\n%YAML 1.1\n---\ndata: |\n  text\n...\n",
    ].map { Array($0.utf8) }
    var random = SeededRandom(seed: 5)
    for round in 0..<4000 {
      var file = files[round % files.count]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<file.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: file[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: file[place] = try #require(Array(":-[]{},&*!|>'\"%@#?\n\t \0".utf8).randomElement(using: &random))
        case 2: file.removeSubrange(place..<min(file.count - 1, place + 3))
        case 3: file.insert(contentsOf: file[place..<min(file.count, place + 20)], at: 0)
        default: file.insert(contentsOf: files[(round + 1) % files.count].prefix(place), at: place)
        }
      }
      let read = ConfigurationReader.read(file: file, path: "c.yaml", environment: [:], options: [:])
      #expect(read.mistakes.allSatisfy { !$0.description.isEmpty })
    }
  }
}
