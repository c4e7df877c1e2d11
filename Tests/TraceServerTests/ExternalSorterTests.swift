import Platform
import TestSupport
import Testing

@testable import TraceServer

@Suite("External sorting") struct ExternalSorterTests {
  private func sorted(_ records: [([UInt8], [UInt8])], memory: Int, runs: Int = 64) throws -> (
    lines: [([UInt8], [UInt8])], spilled: Int
  ) {
    let directory = try TemporaryDirectory()
    let sorter = ExternalSorter(directory: directory.path, memoryBytesMax: memory, runCountMax: runs)
    for (key, value) in records { try sorter.add(key: key, value: value) }
    let result = try sorter.finish()
    var lines: [([UInt8], [UInt8])] = []
    while let record = try result.next() { lines.append((record.key, record.value)) }
    #expect(try Files.list(directory.path) == [])
    return (lines, sorter.spilledRunCount)
  }

  private func random(_ count: Int, seed: UInt64) -> [([UInt8], [UInt8])] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { index in
      let key = (0..<Int.random(in: 0...12, using: &random)).map { _ in UInt8.random(in: 0...3, using: &random) }
      return (key, Array("\(index)".utf8))
    }
  }

  @Test(arguments: [1 << 20, 4096, 300, 1])
  func `records come by the bytes of their keys, equal ones in the order of adding`(memory: Int) throws {
    let records = random(2_000, seed: 7)
    let expected = records.enumerated().sorted { a, b in
      a.element.0 != b.element.0 ? a.element.0.lexicographicallyPrecedes(b.element.0) : a.offset < b.offset
    }
    let (lines, spilled) = try sorted(records, memory: memory)
    #expect(lines.map(\.0) == expected.map(\.element.0))
    #expect(lines.map(\.1) == expected.map(\.element.1))
    #expect((spilled > 1) == (memory < 10_000))
  }

  @Test func `runs are merged before there are too many`() throws {
    let records = random(3_000, seed: 8)
    let (lines, spilled) = try sorted(records, memory: 1_000, runs: 3)
    #expect(spilled > 20)
    #expect(lines.count == 3_000)
    #expect(zip(lines, lines.dropFirst()).allSatisfy { !$1.0.lexicographicallyPrecedes($0.0) })
    #expect(Set(lines.map(\.1)).count == 3_000)
  }

  @Test func `nothing sorted is nothing`() throws {
    #expect(try sorted([], memory: 100).lines.isEmpty)
  }

  @Test func `records larger than a buffer pass`() throws {
    let large = [UInt8](repeating: 9, count: 200_000)
    let (lines, _) = try sorted([([2], large), ([1], large), ([3], [])], memory: 1)
    #expect(lines.map(\.0) == [[1], [2], [3]])
    #expect(lines[0].1 == large)
  }

  @Test func `a directory that cannot be written is an error, not a crash`() throws {
    let sorter = ExternalSorter(directory: "/does/not/exist", memoryBytesMax: 1)
    #expect(throws: FileError.self) { try sorter.add(key: [1], value: []) }
  }

  @Test func `a pair of keys sorts like the pair`() {
    let parts: [[UInt8]] = [[], [0], [0, 0], [0, 1], [1], [1, 0], [1, 1], [255]]
    let pairs = parts.flatMap { a in parts.map { (a, $0) } }
    for (a, b) in pairs {
      for (c, d) in pairs {
        let pairOrder = a != c ? a.lexicographicallyPrecedes(c) : b.lexicographicallyPrecedes(d)
        #expect(sortKey(a, b).lexicographicallyPrecedes(sortKey(c, d)) == pairOrder)
      }
    }
  }
}
