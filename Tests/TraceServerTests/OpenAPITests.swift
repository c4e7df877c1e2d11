import EventModel
import TestSupport
import Testing
import WireFormats

@testable import TraceServer

@Suite("OpenAPI document") struct OpenAPITests {
  private static let document = (try? JSONValue.parse(OpenAPI.document(version: "1"))) ?? .null

  @Test func `every route with its parameters is described`() throws {
    let paths = Self.document["paths"]
    for route in ClewAPI.table {
      let operation = paths?[route.template.replacing("*}", with: "}")]?[route.method.lowercased()]
      #expect(operation != nil, "\(route.template)")
      let names = operation?["parameters"]?.array?.compactMap { $0["name"]?.string } ?? []
      for parameter in route.parameters {
        #expect(names.contains(parameter.name), "\(route.template) \(parameter.name)")
      }
      #expect(operation?["responses"]?.members?.isEmpty == false)
    }
    #expect(try TestAPI().get("/api/v1/openapi.json").json["openapi"]?.string == "3.1.0")
  }

  @Test func `every reference leads somewhere`() {
    let schemas = Set(Self.document["components"]?["schemas"]?.members?.map(\.key) ?? [])
    func check(_ value: JSONValue) {
      for member in value.members ?? [] {
        if member.key == "$ref", let target = member.value.string {
          #expect(schemas.contains(String(target.split(separator: "/").last ?? "")), "\(target)")
        }
        check(member.value)
      }
      for element in value.array ?? [] { check(element) }
    }
    check(Self.document)
  }

  private let events: [TestEvent] = [
    TestEvent(
      "a", trace: "t", stream: "s-1", type: "A", service: "web", handler: "h", schemaVersion: "1", revision: 1,
      data: "1", metadata: "{}"),
    TestEvent(
      "b", trace: "t", cause: "a", stream: "s-1", type: "B", at: -5, service: "web", handler: "h", failure: .metadata),
    TestEvent("c", trace: "t", cause: "gone", stream: "s-1", type: "B", at: 5),
    TestEvent("d", trace: "t", cause: "gone", stream: "s-1", type: "B", at: 6),
  ]

  struct Example: Sendable, CustomTestStringConvertible {
    var path: String
    var schema: String
    var status = 200
    var testDescription: String { path }
  }

  @Test(arguments: [
    Example(path: "/api/v1/traces", schema: "TraceList"), Example(path: "/api/v1/traces/t?payload=1", schema: "Trace"),
    Example(path: "/api/v1/traces/wide?fold=1", schema: "Trace"),
    Example(path: "/api/v1/events/b", schema: "EventDetail"),
    Example(path: "/api/v1/streams/s-1?payload=1", schema: "StreamPage"),
    Example(path: "/api/v1/handlers", schema: "HandlerList"), Example(path: "/api/v1/flow", schema: "FlowList"),
    Example(path: "/api/v1/sources", schema: "SourceList"), Example(path: "/api/v1/stats", schema: "Statistics"),
    Example(path: "/livez", schema: "Alive"), Example(path: "/readyz", schema: "Ready"),
    Example(path: "/nowhere", schema: "Error", status: 404),
    Example(path: "/api/v1/export/events", schema: "ExportedEvent"),
    Example(path: "/api/v1/export/traces", schema: "TraceSummary"),
    Example(path: "/api/v1/export/edges", schema: "ExportedEdge"),
  ])
  func `answers have exactly the members that their schema names`(_ example: Example) throws {
    var raw = TestEvent("raw", trace: "t", data: "{", metadata: "}")
    raw.payloadIsJSON = false
    let wide = (0..<200).map {
      TestEvent("w\($0)", trace: "wide", cause: $0 == 0 ? nil : "w0", type: "W", at: Int64($0))
    }
    let answer = try TestAPI(events + [raw] + wide).get(example.path)
    #expect(answer.status == example.status)
    for line in example.path.contains("export") ? answer.lines : [answer.text] {
      check(try JSONValue.parse(line), .reference(example.schema), example.schema)
    }
  }

  private func check(_ value: JSONValue, _ shape: Shape, _ place: String) {
    switch shape {
    case .text, .words: #expect(value.string != nil, "\(place)")
    case .time: #expect(value.string.flatMap { RFC3339.parse($0) } != nil, "\(place)")
    case .integer: #expect(value.int != nil, "\(place)")
    case .number: #expect(value.double != nil, "\(place)")
    case .boolean: #expect(value.bool != nil, "\(place)")
    case .anything: break
    case .list(let element):
      #expect(value.array != nil, "\(place)")
      for item in value.array ?? [] { check(item, element, place + "[]") }
    case .map(let element):
      #expect(value.members != nil, "\(place)")
      for member in value.members ?? [] { check(member.value, element, place + "." + member.key) }
    case .either(let names):
      let fits = names.first { name in
        (OpenAPISchemas.all.first { $0.name == name }?.fields ?? []).allSatisfy { $0.optional || value[$0.name] != nil }
      }
      #expect(fits != nil, "\(place)")
      if let fits { check(value, .reference(fits), place) }
    case .reference(let name):
      guard let fields = OpenAPISchemas.all.first(where: { $0.name == name })?.fields else {
        Issue.record("no schema \(name)")
        return
      }
      for member in value.members ?? [] {
        #expect(fields.contains { $0.name == member.key }, "\(place).\(member.key) is not described")
      }
      for field in fields {
        guard let member = value[field.name] else {
          #expect(field.optional, "\(place).\(field.name) is missing")
          continue
        }
        if member.isNull && (field.nullable || field.shape == .anything) { continue }
        check(member, field.shape, "\(place).\(field.name)")
      }
    }
  }
}
