import EventModel
import Testing
import TraceStore

@Suite("Query grammar") struct TraceQueryTests {
  private static func conditions(_ text: String) throws -> [TraceQuery.Condition] {
    try TraceQuery.parse(text).terms.map(\.condition)
  }

  @Test func `an empty text asks for everything`() throws {
    #expect(try TraceQuery.parse("").terms.isEmpty)
    #expect(try TraceQuery.parse(" \t\n ").terms.isEmpty)
  }

  @Test func `terms of every kind are read`() throws {
    let query = try TraceQuery.parse(
      "type:OrderPlaced stream:order-* handler:billing service=shop failed:TRUE duration>2s events>=10 depth<3 "
        + #"data.total>100 metadata.user:"anna b" "free Text" -word id:6A1E5C2B7D444E0A9C110123456789AB"#)
    #expect(query.terms.map(\.isNegated) == Array(repeating: false, count: 11) + [true, false])
    #expect(query.terms[0].condition == .name(.type, TextPattern(exactly: "OrderPlaced")))
    #expect(query.terms[3].condition == .name(.service, TextPattern(exactly: "shop")))
    #expect(query.terms[4].condition == .failed(true))
    #expect(query.terms[5].condition == .duration(.greater, 2_000_000_000))
    #expect(query.terms[6].condition == .eventCount(.greaterOrEqual, 10))
    #expect(query.terms[7].condition == .depth(.less, 3))
    #expect(query.terms[8].condition == .payload(.data, path: ["total"], .compare(.greater, 100)))
    #expect(
      query.terms[9].condition
        == .payload(.metadata, path: ["user"], .equal(TextPattern(exactly: "anna b"), number: nil)))
    #expect(query.terms[10].condition == .text(Array("free text".utf8)))
    #expect(query.terms[11].condition == .text(Array("word".utf8)))
    let id = try #require(Identifier("6a1e5c2b-7d44-4e0a-9c11-0123456789ab"))
    #expect(query.terms[12].condition == .id(.exact(id)))
    #expect(query.needsPayloads)
    #expect(try !TraceQuery.parse("type:a duration>1s").needsPayloads)
  }

  @Test(arguments: [
    ("5ns", 5), ("5us", 5000), ("1.5ms", 1_500_000), ("2s", 2_000_000_000), ("1m", 60_000_000_000),
    ("2h", 7_200_000_000_000), ("1d", 86_400_000_000_000), ("0s", 0), ("99999999d", Int64.max), ("3µs", 3000),
  ])
  func `durations have units`(text: String, nanoseconds: Int64) throws {
    #expect(try Self.conditions("duration<=\(text)") == [.duration(.lessOrEqual, nanoseconds)])
  }

  @Test(arguments: [
    ("*", "", true), ("*", "anything", true), ("order-*", "order-1", true), ("order-*", "order", false),
    ("*Failed", "PaymentFailed", true), ("*Failed", "FailedPayment", false), ("a*b*c", "abc", true),
    ("a*b*c", "a-b-b-c", true), ("a*b*c", "acb", false), ("aa*aa", "aaa", false), ("aa*aa", "aaaa", true),
    ("a**b", "ab", true), ("Exact", "exact", false), ("ü*", "übung", true), (#""a b*""#, "a bc", true),
    (#""\*""#, "*", true), (#""\*""#, "x", false), (#""say \"hi\" \\""#, #"say "hi" \"#, true),
  ])
  func `stars stand for any text`(pattern: String, text: String, matches: Bool) throws {
    guard case .name(.type, let parsed) = try Self.conditions("type:\(pattern)")[0] else {
      Issue.record("no name term")
      return
    }
    #expect(parsed.matches(text) == matches)
  }

  @Test(arguments: [
    ("typ:a", 1, "unknown field `typ`; fields are type, stream"), ("type:a foo>3", 8, "unknown field `foo`"),
    ("type>a", 5, "`:` only"), ("type:", 6, "a value is missing"), ("type: a", 6, "a value is missing"),
    (":a", 1, "a field is missing"), ("failed:maybe", 8, "true or false"), ("duration>2", 10, "ns, us, ms, s, m, h, d"),
    ("duration>fast", 10, "ns, us, ms, s, m, h, d"), ("duration>2 s", 10, "ns, us, ms, s, m, h, d"),
    ("events>many", 8, "whole number"), ("depth>-1", 7, "whole number"), ("data.total>big", 12, "numbers"),
    ("data.>1", 1, "a path is names"), ("data..a:1", 1, "a path is names"), (#"type:"open"#, 6, "closing quote"),
    (#"type:"a"b"#, 9, "blank is missing"), (#"ty"pe"#, 3, "quote in the middle"),
    (#"type:a"b""#, 7, "quote in the middle"),
    ("ü:1", 1, "unknown field"), ("type:ü ö:1", 8, "unknown field"),
    ("id:00000000-0000-0000-0000-000000000000", 4, "nil UUID"),
    ("data.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q:1", 1, "at most 16"),
  ])
  func `errors name the column and what is allowed`(text: String, column: Int, message: String) throws {
    let error = #expect(throws: QueryError.self) { try TraceQuery.parse(text) }
    #expect(error?.column == column, "\(text)")
    #expect(error?.message.contains(message) ?? false, "\(text): \(error?.message ?? "")")
    #expect(error?.description.hasPrefix("column \(column): ") ?? false)
  }

  @Test func `a query is bounded`() throws {
    let many = Array(repeating: "a", count: 33).joined(separator: " ")
    #expect(throws: QueryError.self) { try TraceQuery.parse(many) }
    #expect(throws: QueryError.self) { try TraceQuery.parse(String(repeating: "a", count: 4097)) }
    #expect(try TraceQuery.parse(String(repeating: "a", count: 4096)).terms.count == 1)
  }

  @Test func `a dash alone is a text`() throws {
    #expect(try Self.conditions("- a-b") == [.text([0x2d]), .text(Array("a-b".utf8))])
  }
}
