import EventModel
import EventSource
import TestSupport
import Testing

@Suite("Handler reports") struct ReportTests {
  private func read(_ body: String) throws -> HandlerReportReader.Outcome {
    try HandlerReportReader.read(body: bytes(body), contentType: nil, source: "default", clock: Reading.clock)
  }

  @Test func `a whole report is read`() throws {
    let outcome = try read(
      #"{"handler":"h","service":"s","source":"src","causeId":"829DDF5F-155C-56A9-A831-84143C13218E","attempt":3,"state":"failed","at":"2026-01-01T00:00:00Z","errorType":"E","message":"m"}"#
    )
    let report = try #require(outcome.reports.first)
    #expect(report.handler == "h" && report.service == "s" && report.source == "src" && report.attempt == 3)
    #expect(report.cause.description == "829ddf5f-155c-56a9-a831-84143c13218e" && report.state == .failed)
    #expect(report.at == TestEvent.epoch && report.errorType == "E" && report.message == "m")
  }

  @Test func `what is left out has its default`() throws {
    let outcome = try read("\n" + #"{"handler":"h","causeId":7,"state":"started"}"# + "\n")
    let report = try #require(outcome.reports.first)
    #expect(
      report.service == "" && report.source == "default" && report.attempt == 1 && report.at == Reading.clock.now())
    #expect(report.errorType == nil && report.message == nil && report.cause.description == "7")
    #expect(outcome.lines == 2 && outcome.blank == 1 && outcome.reportLines == [2])
  }

  @Test(arguments: [
    "{}", "5", "x", #"{"handler":"","causeId":"c","state":"started"}"#, #"{"handler":"h","state":"started"}"#,
    #"{"handler":"h","causeId":" ","state":"started"}"#, #"{"handler":"h","causeId":"c","state":"done"}"#,
    #"{"handler":"h","causeId":"c"}"#, #"{"handler":"h","causeId":"c","state":"started","attempt":0}"#,
    #"{"handler":"h","causeId":"c","state":"started","attempt":1.5}"#,
    #"{"handler":"h","causeId":"c","state":"started","at":"now"}"#,
    #"{"handler":"h","causeId":"00000000-0000-0000-0000-000000000000","state":"started"}"#,
    #"{"handler":[],"causeId":"c","state":"started"}"#,
    #"{"handler":"h","causeId":"c","state":"started","message":{}}"#,
  ])
  func `what is no report is refused alone`(_ line: String) throws {
    let good = #"{"handler":"h","causeId":"c","state":"started"}"#
    let lines = try read(good + "\n" + line + "\n" + good)
    #expect(lines.reports.count == 2 && lines.refusals.map(\.line) == [2] && lines.refused == 1)
    if line != "x" {
      let array = try read("[\(good),\(line),\(good)]")
      #expect(array.reports.count == 2 && array.refusals.map(\.line) == [2])
    }
  }

  @Test func `a report becomes an event of its class and comes back`() throws {
    let report = HandlerReport(
      source: "src", service: "", handler: "h\"\n", cause: Identifier("c-1")!, attempt: 2, state: .retrying,
      at: TestEvent.epoch, errorType: "E", message: "line\nline")
    var batch = EventBatch()
    report.append(to: &batch)
    HandlerReport(
      source: "src", service: "s", handler: "h", cause: Identifier("829ddf5f-155c-56a9-a831-84143c13218e")!, attempt: 1,
      state: .started, at: TestEvent.epoch
    ).append(to: &batch)
    #expect(throws: Never.self) { try EventBatch(validating: batch.bytes) }
    batch.withEvent(at: 0) { view in
      #expect(HandlerReport(view, source: "src") == report)
      #expect(view.eventClass == .report && view.failure == .none && view.correlation == nil)
      #expect(view.id.description.hasPrefix("report:") && view.id.description.utf8.count == 39)
    }
    let event = Reading.events(batch)[0].event
    #expect(event.stream == "$clew-handler-reports" && event.type == "$clew.handler-report.retrying")
    batch.withEvent(at: 1) { view in
      #expect(HandlerReport(view, source: "src")?.cause.isUUID == true)
    }
  }

  @Test func `the identity is all but time and texts`() {
    let base = HandlerReport(
      source: "a", service: "bc", handler: "h", cause: Identifier("x")!, attempt: 1, state: .started,
      at: TestEvent.epoch)
    var same = base
    same.at = TestEvent.epoch.advanced(byNanoseconds: 5)
    same.errorType = "E"
    same.message = "m"
    #expect(same.id == base.id)
    let changes: [(inout HandlerReport) -> Void] = [
      { $0.source = "b" }, { $0.handler = "i" }, { $0.cause = Identifier("y")! }, { $0.attempt = 2 },
      { $0.state = .failed },
      {
        $0.source = "ab"
        $0.service = "c"
      },
    ]
    for change in changes {
      var other = base
      change(&other)
      #expect(other.id != base.id)
    }
  }

  @Test func `an event that is no report is none`() {
    var batch = EventBatch()
    TestEvent("a", stream: "$clew-handler-reports", type: "$clew.handler-report.started").append(to: &batch)
    batch.withEvent(at: 0) { #expect(HandlerReport($0, source: "s") == nil) }
  }
}

@Suite("URLs of sources") struct SourceURLTests {
  @Test(
    arguments: [
      ("file:///var/log/e.ndjson", "/var/log/e.ndjson", false, "file:///var/log/e.ndjson", nil),
      ("file:///e%20x?follow=true", "/e x", true, "file:///e x", nil),
      ("FILE:///e?follow&name=orders&profile=axon", "/e", true, "orders", "axon"),
      ("file:///e?follow=false", "/e", false, "file:///e", nil),
      ("file:relative/e", "relative/e", false, "file://relative/e", nil),
      ("file://localhost/e", "/e", false, "file:///e", nil),
    ] as [(String, String, Bool, String, String?)])
  func `files are read`(_ text: String, _ path: String, _ follow: Bool, _ name: String, _ profile: String?) throws {
    let url = try SourceURL.parse(text)
    #expect(url.kind == .file(path: path, follow: follow) && url.name == name && url.profile?.name == profile)
  }

  @Test func `a dash is the standard input`() throws {
    #expect(try SourceURL.parse("-").kind == .standardInput)
  }

  @Test(arguments: [
    "", "/var/log/e.ndjson", "http://x/y", "file://host/e", "file:", "file://", "file:///e?follow=maybe",
    "file:///e?profile=other", "file:///e?nmae=x", "file:///e?name=", "file:///e%2", "file:///e%zz", "file:///e%00",
    "kurrentdb://host:2113?tls=false", "esdb+discover://host", "redis://host:6379/0?stream=a", "rediss://host",
  ])
  func `everything else is refused with what to do`(_ text: String) {
    #expect(throws: SourceURL.Problem.self) { try SourceURL.parse(text) }
  }

  @Test func `sources to come are told from mistakes`() {
    do throws(SourceURL.Problem) { _ = try SourceURL.parse("redis://h") } catch {
      #expect(error.description.contains("not in this build yet"))
    }
  }
}
