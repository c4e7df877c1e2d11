import Platform
import TestSupport
import Testing

/// Stores of every format that was ever released are read for ever.
@Suite("Old formats") struct OldFormatTests {
  /// Unpacks `Tests/Fixtures/format-1`: two sealed segments, a hot file with three events, and the catalog, with late
  /// assignments and a void edge; and what the program that wrote them exported.
  func unpack() throws -> (directory: TemporaryDirectory, expected: (String) throws -> [UInt8]) {
    let folder = Fixtures.path("format-1")
    let directory = try TemporaryDirectory("format-1")
    for name in try Files.list(folder) where name.contains(".db") {
      let bytes = try unzipped("\(folder)/\(name)")
      let file = try FileDescriptor.create(directory.file(String(name.dropLast(3))))
      try unsafe bytes.withUnsafeBytes { try unsafe file.write($0, at: 0) }
    }
    return (directory, { try unzipped("\(folder)/\($0).gz") })
  }

  func expectExports(_ directory: String, _ expected: (String) throws -> [UInt8]) throws {
    for kind in ["events", "traces", "edges"] {
      let exported = try Clew.output(["export", kind, "--data", directory])
      #expect(try exported == expected("\(kind).ndjson"), "\(kind)")
    }
    #expect(try Clew.output(["handlers", "--json", "--data", directory]) == expected("handlers.json"))
  }

  @Test func `a store of format 1 gives what the program that wrote it gave`() throws {
    let (directory, expected) = try unpack()
    try expectExports(directory.path, expected)
    _ = try Clew.output(["verify", "--data", directory.path])
  }

  @Test func `a store of format 1 goes on in the format of today`() throws {
    let (directory, expected) = try unpack()
    // Nothing new comes in; what is hot is sealed.
    _ = try Clew.output(["import", "-", "--seal", "--data", directory.path], input: [])
    try expectExports(directory.path, expected)
    _ = try Clew.output(["verify", "--data", directory.path])
  }
}
