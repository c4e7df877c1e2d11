import TestSupport
import Testing
import WireFormats

/// What went in comes out byte for byte.
@Suite("Round trip") struct RoundTripTests {
  /// The bytes of a member's value as they stand in a line; nil if the key is not there.
  func raw(_ key: String, in line: [UInt8]) throws -> [UInt8]? {
    unsafe try line.withUnsafeBytes { all in
      var found: [UInt8]?
      var scanner = unsafe JSONScanner(all)
      guard try scanner.beginObject() else { return nil }
      repeat {
        let name = try scanner.key()
        let value = try scanner.value()
        if unsafe Array(all[name.content]) == Array(key.utf8) { found = unsafe Array(all[value.range]) }
      } while try scanner.hasNextMember()
      return found
    }
  }

  func expectSamePayloads(_ input: [[UInt8]], _ directory: String) throws {
    let exported = try Clew.lines(["export", "events", "--data", directory])
    try #require(exported.count == input.count)
    for (mine, yours) in zip(exported, input) {
      for key in ["data", "metadata"] {
        #expect(try raw(key, in: mine) == raw(key, in: yours), "\(String(decoding: yours.prefix(120), as: UTF8.self))")
      }
    }
  }

  @Test func `data and metadata of any JSON come back byte for byte`() throws {
    let payloads = [
      #"{}"#, #"null"#, #"[]"#, #""""#, #"1.50"#, #"-0.0"#, #"1E400"#, #"9007199254740993"#, #"{"a":1,"a":2}"#,
      #"{"b" : [ 1 ,2 ] , "a":"\u00e9\ud83d\ude00\/"}"#, #""é😀""#, #"{"deep":[[[[[[[[{}]]]]]]]]}"#, #"{"":""}"#,
      #""\u0000""#,
    ]
    var lines: [[UInt8]] = []
    for (index, data) in payloads.enumerated() {
      for (other, metadata) in payloads.enumerated() {
        lines.append(
          Array(
            #"{"id":"e\#(index)-\#(other)","stream":"s-\#(index)","type":"T","created":"2026-01-01T00:00:00Z","data":\#(data),"metadata":\#(metadata)}"#
              .utf8))
      }
    }
    let directory = try TemporaryDirectory("round-trip")
    let body = lines.reduce(into: [UInt8]()) { $0 += $1 + [0x0a] }
    _ = try Clew.output(["import", "-", "--data", directory.path], input: body)
    try expectSamePayloads(lines, directory.path)
    _ = try Clew.output(["import", "-", "--seal", "--data", directory.path], input: body)
    try expectSamePayloads(lines, directory.path)
    let export = try Clew.output(["export", "events", "--data", directory.path])
    let second = try TemporaryDirectory("round-trip-again")
    _ = try Clew.output(["import", "-", "--data", second.path, "--seal"], input: export)
    #expect(try Clew.output(["export", "events", "--data", second.path]) == export)
  }

  @Test func `bytes that are no JSON come back as base64`() throws {
    let directory = try TemporaryDirectory("binary")
    let line =
      #"{"id":"b","stream":"s","type":"T","created":"2026-01-01T00:00:00Z","dataBase64":"AP/+Cg==","metadataBase64":"eA=="}"#
    _ = try Clew.output(["import", "-", "--seal", "--data", directory.path], input: Array((line + "\n").utf8))
    let exported = try JSONValue.parse(Clew.lines(["export", "events", "--data", directory.path])[0])
    #expect(exported["dataBase64"]?.string == "AP/+Cg==")
    #expect(exported["metadataBase64"]?.string == "eA==")
    #expect(exported["data"] == nil)
  }
}
