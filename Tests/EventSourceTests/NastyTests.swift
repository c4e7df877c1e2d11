import EventModel
import EventSource
import Platform
import TestSupport
import Testing
import WireFormats

@Suite("The nasty file", .enabled(if: TestSupport.hasSharedData, "\(TestSupport.sharedDataHint)")) struct NastyTests {
  struct Line {
    var result: LineResult
    var event: ReadEvent?
  }

  /// Every line of nasty.ndjson through the line reader; index 0 is line 1.
  static let lines: [Line] = {
    guard let directory = TestSupport.sharedDataDirectory,
      let content = try? Files.read(directory + "/nasty.ndjson", bytesMax: 1 << 24)
    else { return [] }
    var lines: [Line] = []
    for line in content.split(separator: 0x0a, omittingEmptySubsequences: false).dropLast() {
      let (event, result) = Reading.line(Array(line))
      lines.append(Line(result: result, event: event))
    }
    return lines
  }()

  private func expectations() throws -> [(line: Int, expect: String, name: String)] {
    let path = TestSupport.sharedDataDirectory! + "/nasty.expected.json"
    let document = try JSONValue.parse(Files.read(path, bytesMax: 1 << 20))
    var all: [(line: Int, expect: String, name: String)] = []
    for value in document["cases"]?.array ?? [] {
      let range = (value["lines"]?[0]?.int ?? 0)...(value["lines"]?[1]?.int ?? 0)
      for line in range {
        let expect = value["expect"]?.string ?? value["expect"]?[line - range.lowerBound]?.string ?? "?"
        all.append((line, expect, value["case"]?.string ?? "?"))
      }
      for line in value["lines_also"]?.array ?? [] { all.append((line.int ?? 0, "accept", "also")) }
    }
    return all
  }

  @Test func `every line is taken or refused as it must be`() throws {
    let expected = try expectations()
    #expect(expected.count == 151 || expected.count > 140)
    for (number, expect, name) in expected {
      let line = Self.lines[number - 1]
      switch expect {
      case "accept": #expect(line.result == .event, "\(name), line \(number)")
      case "reject": #expect(Reading.refusal(line.result) != nil, "\(name), line \(number)")
      default: #expect(expect == "either")
      }
    }
  }

  @Test func `accepted, refused and blank lines are all lines`() throws {
    let result = try readFile(TestSupport.sharedDataDirectory! + "/nasty.ndjson")
    #expect(result.counts.lines == 216 && Self.lines.count == 216)
    #expect(result.ids.count + result.counts.refused + result.counts.blank == 216)
    #expect(result.counts.blank == 2)
    #expect(result.ids == Self.lines.compactMap { $0.event?.event.id.description })
    let refused = Self.lines.indices.filter { Reading.refusal(Self.lines[$0].result) != nil }.map { $0 + 1 }
    #expect(result.counts.refusals.map(\.line) == refused)
  }

  @Test func `the canaries form one chain`() {
    let canaries = Self.lines.compactMap(\.event?.event).filter { $0.type == "Canary" }
    #expect(canaries.count == 65)
    #expect(canaries.allSatisfy { $0.ownCorrelation?.description == "e92c48d3-de4a-5f1a-aec2-4792d4353440" })
    #expect(canaries.first?.cause == nil)
    for (earlier, later) in zip(canaries, canaries.dropFirst()) { #expect(later.cause == earlier.id) }
  }

  /// Our rule for the cases that leave a choice: the correlation id as shown, "-" for none, "refused".
  @Test(arguments: [
    (51, "order-42/2024 №7"), (53, "123"), (55, "-"), (57, "-"), (59, "-"),
    (61, "86dc11ae-fbad-5b08-ba44-1636728e2cb6"),
    (62, "86dc11ae-fbad-5b08-ba44-1636728e2cb6"), (63, "86dc11ae-fbad-5b08-ba44-1636728e2cb6"),
    (64, "86dc11ae-fbad-5b08-ba44-1636728e2cb6"), (65, "86dc11ae-fbad-5b08-ba44-1636728e2cb6"),
    (66, "urn:uuid:86dc11ae-fbad-5b08-ba44-1636728e2cb6"), (68, "008efff7-9803-8103-d269-b633813fc703"),
    (69, "8efff798038103d269b633813fc703"), (71, "-"), (73, "refused"), (77, "-"),
    (79, "6f3f2fb8-0d2f-5543-b558-8c9bf0d75d53"), (80, "6f3f2fb8-0d2f-5543-b558-8c9bf0d75d53"),
    (81, "6f3f2fb8-0d2f-5543-b558-8c9bf0d75d53"), (82, "6f3f2fb8-0d2f-5543-b558-8c9bf0d75d53"),
    (83, "6f3f2fb8-0d2f-5543-b558-8c9bf0d75d53"), (85, "a6eaacb2-0aaa-51c8-a89d-bae9879d4221"), (98, "-"), (100, "-"),
    (102, "-"), (104, "-"), (106, "-"), (108, "-"), (110, "-"), (121, "refused"), (122, "refused"), (136, "refused"),
    (137, "refused"), (138, "refused"), (139, "refused"), (147, "refused"), (152, "refused"), (154, "refused"),
    (156, "refused"), (158, "5bf3c786-a3d5-5bfb-923d-d957bcbdee35"), (160, "refused"),
    (162, "5bf3c786-a3d5-5bfb-923d-d957bcbdee35"), (177, "5bf3c786-a3d5-5bfb-923d-d957bcbdee35"), (184, "refused"),
    (190, "refused"), (191, "refused"), (192, "refused"), (193, "refused"), (214, "refused"),
  ])
  func `cases with a choice follow our rule`(_ number: Int, _ expected: String) {
    let line = Self.lines[number - 1]
    let found = line.event.map { $0.event.ownCorrelation?.description ?? "-" } ?? "refused"
    #expect(found == expected, "line \(number): \(line.result)")
  }

  @Test func `names and payloads are kept as they are`() throws {
    #expect(Self.lines[157].event?.event.type == "nul\u{0}here")
    #expect(Self.lines[176].event?.data?.count ?? 0 > 50)
    #expect(Self.lines[185].event?.data?.count == 200_000)
    #expect(Self.lines[187].event?.data?.count ?? 0 > 1_200_000)
    let hostile = try #require(Self.lines[194].event?.event)
    #expect(hostile.type == "a\"b\\c\nd{e=\"f\"} # HELP")
    #expect(hostile.service == "s\"\\\n}")
    #expect(Self.lines[198].event?.event.service == "1")
    #expect(Self.lines[198].event?.event.handler == "nasty")
  }
}
