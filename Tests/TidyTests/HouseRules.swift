import Platform
import Testing

/// Which targets and libraries a target may import: docs/ARCHITECTURE.md, "An arrow only goes to a lower level".
private let allowedImports: [String: Set<String>] = {
  let cores: Set<String> = ["EventModel", "WireFormats", "PrometheusText"]
  let levelOne: Set<String> = ["Platform", "Compression", "TraceStore", "TraceAssembly", "HandlerMetrics"]
  let lower = cores.union(levelOne)
  return [
    "EventModel": [], "WideScan": ["CWideScan"], "WireFormats": ["WideScan"], "PrometheusText": [],
    "Platform": ["EventModel", "Glibc", "CMalloc", "Synchronization"],
    "Compression": ["CZlib", "CDeflate"],
    "SegmentBlocks": ["EventModel", "WideScan", "Compression", "CPrefetch"],
    "TraceStore": ["EventModel", "WireFormats", "Synchronization"],
    "TraceAssembly": ["EventModel"],
    "HandlerMetrics": ["EventModel", "PrometheusText"],
    "EventSource": ["EventModel", "WireFormats", "Platform", "Compression"],
    "SegmentStore": [
      "SegmentBlocks", "TraceStore", "EventModel", "WideScan", "WireFormats", "Platform", "Compression", "CSQLite",
      "Synchronization",
    ],
    "HTTPClient": ["Platform", "Compression", "CCurl"],
    "HTTPServer": ["Platform", "Compression", "CMicrohttpd", "CGnuTLS"],
    "Ingest": lower.union(["EventSource"]),
    "KurrentDBSource": lower.union(["EventSource", "HTTPClient"]),
    "DemoShop": lower.union(["HTTPClient"]),
    "TraceServer": lower.union(["HTTPServer", "Ingest", "EventSource"]),
    "clew": lower.union([
      "TraceServer", "HTTPServer", "HTTPClient", "Ingest", "DemoShop", "KurrentDBSource", "EventSource", "SegmentStore",
      "CYAML",
    ]),
  ]
}()

/// Calls that the product must not contain, with the reason.
private let bannedInSources: [(text: String, instead: String)] = [
  ("import Foundation", "Foundation links 41 MB of ICU; Platform and WireFormats have what is needed"),
  (" async ", "threads, not tasks (ADR-002)"),
  ("await ", "threads, not tasks (ADR-002)"),
  ("Task {", "threads, not tasks (ADR-002)"),
  ("try!", "an error of the world is handled or thrown"),
  ("fatalError(", "precondition for mistakes of ours, errors for the world"),
  ("nonisolated(unsafe)", "Locked, or a constant"),
  ("DispatchQueue", "Platform.WorkerThread"),
  ("sleep(", "Lock.wait(until:), which a stop can end"),
]

private let unfinished = ["TODO", "FIXME", "XXX", "HACK"]

@Suite("House rules") struct HouseRules {
  @Test func `a target imports only what its level allows`() throws {
    var violations: [String] = []
    for file in try SourceTree.files(below: ["Sources"], ending: [".swift"]) {
      guard let allowed = allowedImports[file.target] else {
        violations.append("\(file.path): target \(file.target) is not in the table")
        continue
      }
      for (number, line) in codeLines(file).enumerated() where line.contains("import ") {
        let words = line.split(separator: " ")
        guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count, keyword <= 2 else { continue }
        let module = String(words[keyword + 1])
        if !allowed.contains(module) { violations.append("\(file.path):\(number + 1): import \(module)") }
      }
    }
    #expect(violations == [])
  }

  @Test func `the product contains no banned call`() throws {
    var violations: [String] = []
    for file in try SourceTree.files(below: ["Sources"], ending: [".swift"]) {
      for (number, line) in codeLines(file).enumerated() {
        for banned in bannedInSources where (" " + line + " ").contains(banned.text) {
          violations.append("\(file.path):\(number + 1): `\(banned.text)`: \(banned.instead)")
        }
      }
    }
    #expect(violations == [])
  }

  /// Promise (4) of the design: Clew never writes to the event store it watches. Only the shop of the demo does.
  @Test func `nothing but the demo's shop names a request that changes an event store`() throws {
    let changing = [
      "Streams/Append", "BatchAppend", "AppendSession", "AppendRecords", "Streams/Delete", "Streams/Tombstone",
      "Subscriptions/Create", "Subscriptions/Update", "Subscriptions/Delete", "Subscriptions/Read",
      "Subscriptions/Replay", "Subscriptions/Restart", "Projections/Create", "Projections/Update",
      "Projections/Delete", "Projections/Enable", "Projections/Disable", "Projections/Reset", "Projections/Restart",
      "operations.Operations", "users.Users",
    ]
    var found: Set<String> = []
    for file in try SourceTree.files(below: ["Sources"], ending: [".swift"]) {
      // With their texts: the names of requests are texts.
      for (number, line) in file.lines.enumerated() where changing.contains(where: line.contains) {
        found.insert(file.target == "DemoShop" ? "DemoShop" : "\(file.path):\(number + 1): \(line)")
      }
    }
    #expect(found == ["DemoShop"])
  }

  @Test func `tests wait for conditions, not for time`() throws {
    var violations: [String] = []
    for file in try SourceTree.files(below: ["Tests"], ending: [".swift"]) where file.target != "Support" {
      for (number, line) in codeLines(file).enumerated() where !file.path.hasSuffix("HouseRules.swift") {
        if line.contains("sleep(") { violations.append("\(file.path):\(number + 1): poll with a deadline instead") }
      }
    }
    #expect(violations == [])
  }

  @Test func `no file promises later work`() throws {
    var violations: [String] = []
    for file in try SourceTree.files(below: ["Sources", "Tests", "Benchmarks"], ending: [".swift", ".h", ".sh"])
    where !file.path.hasSuffix("HouseRules.swift") {
      for (number, line) in file.lines.enumerated() {
        let words = line.split { !($0.isLetter || $0.isNumber) }.map(String.init)
        for word in unfinished where words.contains(word) {
          violations.append("\(file.path):\(number + 1): \(word)")
        }
      }
    }
    #expect(violations == [])
  }

  @Test func `files stay under 500 lines`() throws {
    let long = try SourceTree.files(below: ["Sources", "Tests", "Benchmarks"], ending: [".swift", ".h"])
      .filter { $0.lines.count > 500 }
    #expect(long.map { "\($0.path): \($0.lines.count) lines" } == [])
  }

  @Test func `functions stay under 60 lines`() throws {
    var long: [String] = []
    for file in try SourceTree.files(below: ["Sources", "Tests", "Benchmarks"], ending: [".swift"]) {
      for function in functions(in: file) where function.lineCount > 60 {
        long.append("\(file.path):\(function.line): \(function.lineCount) lines")
      }
    }
    #expect(long == [])
  }

  @Test func `each promise to the compiler carries its proof`() throws {
    var missing: [String] = []
    for file in try SourceTree.files(below: ["Sources"], ending: [".swift"]) {
      for (number, line) in codeLines(file).enumerated() {
        let marks = ["@unchecked Sendable", "@safe "].filter { line.contains($0) }
        guard !marks.isEmpty else { continue }
        let near = file.lines[max(0, number - 12)...min(file.lines.count - 1, number + 6)]
        let comments = near.filter { $0.contains("//") }
        for mark in marks {
          let word = mark.hasPrefix("@unchecked") ? "@unchecked" : "@safe"
          if !comments.contains(where: { $0.contains(word) }) {
            missing.append("\(file.path):\(number + 1): \(mark) without a comment that proves it")
          }
        }
      }
    }
    #expect(missing == [])
  }

  @Test func `every decision is in the index and every indexed decision exists`() throws {
    let names = try Files.list("\(SourceTree.root)/docs/adr").filter { $0.hasSuffix(".md") && $0 != "README.md" }
    let index = try SourceTree.file("docs/adr/README.md").lines.joined(separator: "\n")
    #expect(names.filter { !index.contains("](\($0))") } == [])
    #expect(index.components(of: ".md)") == names.count)
  }
}

/// Every function, initializer and subscript with a body: its first line and how many lines it has.
private func functions(in file: SourceFile) -> [(line: Int, lineCount: Int)] {
  var found: [(line: Int, lineCount: Int)] = []
  var open: [(line: Int, depth: Int)] = []
  var depth = 0
  var waiting: Int?
  for (number, line) in codeLines(file).enumerated() {
    let words = line.split { !($0.isLetter || $0 == "?" || $0 == "`") }
    let starts = words.contains("func") || words.first { $0 != "public" && $0 != "private" } == "init"
    if starts && waiting == nil { waiting = number }
    for character in line {
      if character == "{" {
        depth += 1
        if let start = waiting {
          open.append((start, depth))
          waiting = nil
        }
      } else if character == "}" {
        if let last = open.last, last.depth == depth {
          found.append((last.line + 1, number - last.line + 1))
          open.removeLast()
        }
        depth -= 1
      }
    }
  }
  return found
}
