import Platform
import TestSupport
import Testing
import WireFormats

/// Damage, and the way out of it, as an operator goes it.
@Suite("Repair through the program") struct RepairTests {
  private let directory: TemporaryDirectory
  private let data: String

  init() throws {
    directory = try TemporaryDirectory("repair")
    data = directory.file("data")
    let lines = (1...200).map {
      "{\"id\":\"e\($0)\",\"stream\":\"s-\($0 % 7)\",\"type\":\"T\",\"created\":\"2026-01-01T00:00:00.000000Z\","
        + "\"metadata\":{\"$correlationId\":\"t\($0 % 20)\"},\"data\":{\"n\":\($0)}}\n"
    }
    let file = try directory.write("events.ndjson", Array(lines.joined().utf8))
    let counts = try Clew.json(["import", file, "--data", data, "--json", "--seal"])
    #expect(counts["accepted"]?.int == 200)
  }

  private func segment() throws -> String {
    try #require(try Files.list(data).first { $0.hasPrefix("seg-") })
  }

  @Test func `a damaged segment is found, moved and named, and comes back from a copy`() throws {
    let name = try segment()
    let path = data + "/" + name
    let whole = try Files.read(path, bytesMax: 1 << 24)
    #expect(try Clew.run(["verify", data]).exitCode == 0)
    #expect(try Clew.run(["inspect", path]).exitCode == 0)
    var broken = whole
    for place in stride(from: 5_000, to: whole.count, by: 997) { broken[place] ^= 0x40 }
    try Files.replaceAtomically(path, with: broken)
    #expect(try Clew.run(["verify", data]).exitCode == 1)
    #expect(try Clew.run(["inspect", path]).exitCode == 1)
    let planned = try Clew.run(["repair", data, "--dry-run"])
    #expect(planned.exitCode == 1, "\(planned.outputText) \(planned.errorText)")
    #expect(planned.outputText.contains("nothing was changed"))
    #expect(Files.exists(path))
    let repaired = try Clew.run(["repair", data, "--json"])
    #expect(repaired.exitCode == 1)
    let report = try JSONValue.parse(repaired.output)
    let missing = try #require(report["missing"]?.array?.first)
    #expect(missing["eventCount"]?.int == 200)
    #expect(missing["firstOrdinal"]?.int == 1)
    #expect(missing["lastOrdinal"]?.int == 200)
    #expect(missing["sources"]?.array?.first?["name"]?.string == "default")
    #expect(Files.exists(data + "/damaged/" + name))
    let verified = try Clew.run(["verify", data])
    #expect(verified.exitCode == 0, "\(verified.outputText)")
    #expect(verified.outputText.contains(name))
    try Files.replaceAtomically(data + "/damaged/" + name, with: whole)
    #expect(try Clew.run(["repair", data]).exitCode == 0)
    #expect(try Clew.lines(["export", "events", "--data", data]).count == 200)
  }

  @Test func `a lost catalog is made anew`() throws {
    for name in try Files.list(data) where name.hasPrefix("catalog.db") { try Files.remove(data + "/" + name) }
    let refused = try Clew.run(["import", directory.file("events.ndjson"), "--data", data])
    #expect(refused.exitCode == 2)
    #expect(refused.errorText.contains("clew repair"))
    let repaired = try Clew.run(["repair", data])
    #expect(repaired.exitCode == 0, "\(repaired.outputText) \(repaired.errorText)")
    #expect(repaired.outputText.contains("made anew"))
    #expect(try Clew.run(["verify", data]).exitCode == 0)
    #expect(try Clew.lines(["export", "events", "--data", data]).count == 200)
  }

  @Test func `it does nothing beside a running server, and nothing where there is no store`() throws {
    let server = try ClewServer(data)
    let refused = try Clew.run(["repair", data])
    #expect(refused.exitCode == 2)
    #expect(refused.errorText.contains("in use"))
    try server.stop()
    let empty = try Clew.run(["repair", directory.file("nowhere")])
    #expect(empty.exitCode == 2)
  }
}
