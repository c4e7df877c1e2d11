import Platform
import TestSupport
import Testing
import WireFormats

/// Import, seal, export: byte for byte, for generated lines and for every file there is.
@Suite("Round trip of everything") struct HostileRoundTripTests {
  @Test(arguments: [11, 12])
  func `generated lines come back as they were`(seed: Int) throws {
    var generator = HostileEvents(seed: UInt64(seed))
    var lines = generator.events(900).map(\.line)
    generator.payloads.depth = 100_000
    generator.payloads.keyCount = 10_000
    lines += HostilePayloads.Kind.allCases.map { generator.event($0).line }
    let directory = try TemporaryDirectory("hostile-lines")
    let body = lines.reduce(into: [UInt8]()) { $0 += $1 + [0x0a] }
    let file = try directory.write("in.ndjson", body)
    let counts = try Clew.json(["import", file, "--json", "--seal", "--data", directory.file("data")])
    #expect(counts["accepted"]?.int == lines.count, "\(String(describing: counts["refusals"]))")
    let exported = try Clew.lines(["export", "events", "--data", directory.file("data")])
    try #require(exported.count == lines.count)
    for (mine, yours) in zip(exported, lines) {
      try #require(mine == yours, "\(String(decoding: yours.prefix(600), as: UTF8.self))")
    }
  }

  @Test(arguments: EventFiles.all)
  func `every file of events comes back`(_ file: String) throws {
    let path = try EventFiles.path(file)
    let directory = try TemporaryDirectory("round-trip-file")
    let counts = try Clew.json(["import", path, "--json", "--seal", "--data", directory.path])
    let refused = Set(try #require(counts["refusals"]?.array).compactMap { $0["line"]?.int })
    #expect(refused.count == counts["refused"]?.int)
    var seen: Set<[UInt8]> = []
    var expected: [LineContent] = []
    let input = file.hasSuffix(".gz") ? try unzipped(path) : try Files.read(path, bytesMax: 256 << 20)
    for (index, line) in input.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
      if refused.contains(index + 1) || line.allSatisfy({ $0 <= 0x20 }) { continue }
      let content = try LineContent(Array(line))
      // Identity is stream and id; the first one wins.
      if seen.insert(content.identity).inserted { expected.append(content) }
    }
    let exported = try Clew.lines(["export", "events", "--data", directory.path])
    #expect(counts["accepted"]?.int == expected.count)
    try #require(exported.count == expected.count)
    for (mine, yours) in zip(exported, expected) {
      let mine = try LineContent(mine)
      if yours.isCloudEvent { continue }
      try #require(mine == yours, "\(String(decoding: yours.id.prefix(200), as: UTF8.self))")
    }
  }
}

/// Every file of events: those beside the checkout, and those that are committed.
enum EventFiles {
  static var all: [String] {
    let committed = ["nasty.ndjson.gz", "zipkin-real.ndjson.gz"]
    guard let shared = TestSupport.sharedDataDirectory, let names = try? Files.list(shared) else { return committed }
    return names.filter { $0.hasSuffix(".ndjson") || $0.hasSuffix(".ndjson.gz") }.sorted()
  }

  static func path(_ name: String) throws -> String {
    if let shared = TestSupport.sharedDataDirectory { return "\(shared)/\(name)" }
    return Fixtures.path(name)
  }
}

/// What a line says, taken apart by its JSON alone; payloads as the bytes that stand there.
struct LineContent: Equatable {
  var id: [UInt8] = []
  var stream: [UInt8] = []
  var type: [UInt8] = []
  var created: Int64?
  var revision: [UInt8] = []
  var data: [UInt8]?
  var metadata: [UInt8]?
  var isCloudEvent = false

  var identity: [UInt8] { id + [0xff] + stream }

  init(_ line: [UInt8]) throws {
    unsafe try line.withUnsafeBytes { all in
      var scanner = unsafe JSONScanner(all)
      guard try scanner.beginObject() else { return }
      repeat {
        let key = try scanner.key()
        let value = try scanner.value()
        let name = unsafe try Self.text(key, all)
        unsafe try take(String(decoding: name, as: UTF8.self), value, all)
      } while try scanner.hasNextMember()
    }
  }

  private mutating func take(_ name: String, _ value: JSONSlice, _ all: UnsafeRawBufferPointer) throws {
    let raw = unsafe Array(all[value.range])
    switch name {
    case "id": id = Self.trimmed(Self.lowered(unsafe try Self.text(value, all)))
    case "stream": stream = value.kind == .null ? [] : unsafe try Self.text(value, all)
    case "type": type = unsafe try Self.text(value, all)
    case "created":
      let text = unsafe try Self.text(value, all)
      created = RFC3339.parse(String(decoding: text, as: UTF8.self))
    case "revision": revision = value.kind == .null ? [] : unsafe try Self.text(value, all)
    case "data": data = raw
    case "metadata": metadata = raw
    case "dataBase64": if value.kind != .null { data = Base64.decode(unsafe try Self.text(value, all)) }
    case "metadataBase64": if value.kind != .null { metadata = Base64.decode(unsafe try Self.text(value, all)) }
    case "specversion": isCloudEvent = true
    default: break
    }
  }

  /// The text of a string; anything else as it stands.
  private static func text(_ value: JSONSlice, _ all: UnsafeRawBufferPointer) throws -> [UInt8] {
    guard value.kind == .string else { return unsafe Array(all[value.range]) }
    var text: [UInt8] = []
    unsafe JSONText.unescapeRepairing(UnsafeRawBufferPointer(rebasing: all[value.content]), into: &text)
    return text
  }

  private static func trimmed(_ text: [UInt8]) -> [UInt8] {
    let isBlank = { (byte: UInt8) in byte == 0x20 || (byte >= 9 && byte <= 13) }
    let rest = Array(text.drop(while: isBlank))
    return Array(rest[0..<(rest.count - rest.reversed().prefix(while: isBlank).count)])
  }

  /// One spelling for each UUID; other texts as they are.
  private static func lowered(_ text: [UInt8]) -> [UInt8] {
    let digits = trimmed(text).filter { $0 != 0x2d && $0 != 0x7b && $0 != 0x7d }
    let isHex = digits.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66) }
    return digits.count == 32 && isHex ? digits.map { $0 >= 0x41 && $0 <= 0x46 ? $0 | 0x20 : $0 } : text
  }
}
