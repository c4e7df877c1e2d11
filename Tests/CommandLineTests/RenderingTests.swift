import Testing
import WireFormats

@testable import clew

@Suite("Text for people") struct RenderingTests {
  func render(_ rows: [String], summary: String = "{}") throws -> String {
    let lines = try rows.map { TraceLine(try JSONValue.parse($0)) }
    var text = ""
    TraceText(style: .plain).render(summary: try JSONValue.parse(summary), lines: lines) { text += $0 }
    return text
  }

  func row(_ depth: Int, _ type: String, _ more: String = "") -> String {
    """
    {"id":"id-\(type)","type":"\(type)","stream":"order-1","createdAt":"2026-01-31T12:00:00.123456Z","depth":\(depth),
    "causeKind":"event","service":"shop","handler":"checkout"\(more.isEmpty ? "" : "," + more)}
    """
  }

  @Test func `a trace is a tree with latencies, failures, warnings and what is missing`() throws {
    let text = try render(
      [
        row(1, "Placed", #""causationId":"cmd-1","causeKind":"command""#),
        row(2, "Requested", #""reactionLatencySeconds":0.0251"#),
        row(
          3, "Failed",
          #""reactionLatencySeconds":-0.5,"failed":true,"warnings":[{"code":"clock-skew","message":"before its cause"}]"#
        ),
        #"{"type":"Reserved","parentId":"x","depth":3,"fold":{"count":100,"foldedCount":99,"failureCount":2,"p50Seconds":0.06,"p99Seconds":1.5}}"#,
        row(2, "Mailed", #""reactionLatencySeconds":3.2"#),
      ],
      summary: """
        {"correlationId":"trace-1","eventCount":5,"durationSeconds":5.32,"depth":3,"failureCount":1,"orphanCount":0,
        "firstEventAt":"2026-01-31T12:00:00.123456Z","lastEventAt":"2026-01-31T12:00:05.443456Z"}
        """)
    let expected = """
      trace trace-1  5 events, 5.32 s, depth 3, 1 failed
      2026-01-31T12:00:00.123456Z to 2026-01-31T12:00:05.443456Z

      Placed  12:00:00.123  shop/checkout  order-1  id-Placed  (command cmd-1)
      ├─ Requested  +25.1 ms  shop/checkout  order-1  id-Requested
      │  ├─ ✗ Failed  -500 ms  shop/checkout  order-1  id-Failed
      │  │    ! before its cause
      │  └─ 99 x Reserved  2 failed  median +60.0 ms  p99 +1.50 s
      └─ Mailed  +3.20 s  shop/checkout  order-1  id-Mailed

      """
    #expect(text == expected)
  }

  @Test func `the cause that is not stored is named`() throws {
    let text = try render([
      #"{"id":"a","type":"A","stream":"s","depth":1,"causationId":"gone","causeKind":"unknown","createdAt":""}"#
    ])
    #expect(text.hasSuffix("A  s  a  (cause not stored: gone)\n"))
  }

  @Test func `a chain of 20,000 events is 20,000 lines of bounded length`() throws {
    let rows = (1...20_000).map { TraceLine(.object([.init("depth", .number("\($0)")), .init("type", .string("T"))])) }
    var longest = 0
    var count = 0
    TraceText(style: .plain).render(summary: .null, lines: rows) { line in
      longest = max(longest, line.count)
      count += 1
    }
    #expect(count == 20_001)
    #expect(longest < 120)
  }

  @Test func `the last sibling is told from the others, at any depth`() {
    func lines(_ depths: [Int]) -> [TraceLine] {
      depths.map { TraceLine(.object([.init("depth", .number("\($0)"))])) }
    }
    #expect(TraceText.followedBySibling(lines([1, 2, 3, 2, 1])) == [true, true, false, false, false])
    #expect(TraceText.followedBySibling(lines([])) == [])
    #expect(TraceText.followedBySibling(lines([1, 2, 2, 2])) == [false, true, true, false])
  }

  @Test func `no control sequence of an event reaches the terminal`() throws {
    let hostile = "\u{1b}[2J\u{9b}31m\u{7}\r\n\u{202e}\u{200b}x\u{0}"
    let value = String(decoding: JSONValue.string(hostile).encoded, as: UTF8.self)
    let text = try render(
      [
        """
        {"id":\(value),"type":\(value),"stream":\(value),"service":\(value),"handler":\(value),"depth":1,
        "causationId":\(value),"causeKind":"command","createdAt":\(value),"warnings":[{"message":\(value)}],"data":\(value)}
        """
      ], summary: #"{"correlationId":\#(value),"firstEventAt":\#(value)}"#)
    let event = StreamCommand.lines(try JSONValue.parse(#"{"type":\#(value),"id":\#(value)}"#), .plain, payload: true)
    var table = TextTable([("A", .left)])
    table.add([hostile])
    for shown in [text, event, table.text(.plain)] {
      for scalar in shown.unicodeScalars {
        let value = scalar.value
        let isHarmless = value == 0x0a || (value >= 0x20 && !(0x7f...0x9f).contains(value))
        #expect(isHarmless && value != 0x202e && value != 0x200b, "\(value)")
      }
    }
    #expect(Printable.escaped("a\tb\u{1b}") == "a\\tb\\u{1b}")
    #expect(Printable.escaped("Größe 価格 🎉") == "Größe 価格 🎉")
  }

  @Test(
    arguments: [
      (0, "0 s"), (1e-9, "1 ns"), (0.000_000_85, "850 ns"), (0.0000123, "12.3 us"), (0.0251, "25.1 ms"), (1, "1.00 s"),
      (0.9996, "1.00 s"), (59.9, "59.9 s"), (59.96, "1m 00s"), (192, "3m 12s"), (7500, "2h 05m"), (1_051_200, "12d 4h"),
      (-0.5, "-500 ms"), (.infinity, "104166666666d 16h"),
    ] as [(Double, String)])
  func `a duration in words`(_ seconds: Double, _ text: String) {
    #expect(Humanised.duration(seconds: seconds) == text)
  }

  @Test func `counts and sizes in words`() {
    #expect(Humanised.count(1_234_567) == "1,234,567" && Humanised.count(-1000) == "-1,000")
    #expect(Humanised.count(12) == "12" && Humanised.count(.min) == "-9,223,372,036,854,775,808")
    #expect(Humanised.bytes(512) == "512 B" && Humanised.bytes(1536) == "1.50 KiB")
    #expect(Humanised.bytes(1023.9 * 1024) == "1.00 MiB" && Humanised.bytes(12.3 * 1_048_576) == "12.3 MiB")
  }

  @Test func `colours appear on a terminal only, and NO_COLOR is respected`() {
    func enabled(_ when: String?, _ terminal: Bool, _ environment: [String: String] = [:]) -> Bool {
      Style(when: when, isTerminal: terminal, environment: { environment[$0] }).enabled
    }
    #expect(enabled(nil, true) && !enabled(nil, false))
    #expect(!enabled("auto", true, ["NO_COLOR": "1"]) && enabled("auto", true, ["NO_COLOR": ""]))
    #expect(!enabled(nil, true, ["TERM": "dumb"]))
    #expect(enabled("always", false, ["NO_COLOR": "1"]) && !enabled("never", true))
  }

  @Test func `server-sent events are put together from pieces of any size`() throws {
    let stream = Array(
      ": hello\n\nid: 1\nevent: event\ndata: {\"a\":1}\n\ndata: one\r\ndata: two\r\n\r\nevent: lost\ndata:3\n\n".utf8)
    let expected = [
      ServerSentEvents.Event(name: "event", data: Array(#"{"a":1}"#.utf8)),
      ServerSentEvents.Event(name: "message", data: Array("one\ntwo".utf8)),
      ServerSentEvents.Event(name: "lost", data: Array("3".utf8)),
    ]
    for size in 1...stream.count {
      var parser = ServerSentEvents()
      var events: [ServerSentEvents.Event] = []
      for start in stride(from: 0, to: stream.count, by: size) {
        events += try parser.add(Array(stream[start..<min(start + size, stream.count)]))
      }
      #expect(events == expected, "pieces of \(size)")
    }
  }

  @Test func `terms of a tail become parameters, and others are refused`() throws {
    let query = try TailCommand.parameters(["failed:true", "type:A handler:b:c"])
    #expect(query.map { "\($0.0)=\($0.1)" } == ["failed=true", "type=A", "handler=b:c"])
    #expect(throws: UsageError.self) { try TailCommand.parameters(["duration>2s"]) }
    #expect(throws: UsageError.self) { try TailCommand.parameters(["kind:x"]) }
  }

  @Test func `paths and parameters are encoded byte by byte`() {
    #expect(PercentEncoding.encode("a/b c%é?&=+") == "a%2Fb%20c%25%C3%A9%3F%26%3D%2B")
  }
}
