import EventModel
import EventSource
import HTTPServer
import Ingest
import TraceStore
import WireFormats

extension ClewAPI {
  func postEvents(_ call: Call) throws(APIError) -> HTTPResponse {
    let pipeline = try writable()
    let type = call.request.header("content-type")
    let source = call.text("source") ?? "default"
    return Self.answer(
      try taking { () throws(IngestError) in
        try pipeline.ingestBody(call.request.body, contentType: type, source: source)
      })
  }

  func postReports(_ call: Call) throws(APIError) -> HTTPResponse {
    let pipeline = try writable()
    let type = call.request.header("content-type")
    let source = call.text("source") ?? "default"
    return Self.answer(
      try taking { () throws(IngestError) in
        try pipeline.ingestReports(call.request.body, contentType: type, source: source)
      })
  }

  private func writable() throws(APIError) -> IngestPipeline {
    if let pipeline { return pipeline }
    throw APIError(
      503, "read_only", "nothing is stored here: this is only a reader of the directory",
      hint: "send events to a running clew serve, or use clew import")
  }

  private func taking(_ body: () throws(IngestError) -> IngestCounts) throws(APIError) -> IngestCounts {
    do { return try body() } catch {
      switch error {
      case .unreadable(let reason): throw APIError(400, "unreadable_body", reason.message, hint: reason.hint)
      case .overloaded:
        throw APIError(
          503, "overloaded", "too many events are waiting to be stored",
          hint: "send the same body again in a few seconds; what was stored counts as duplicate then",
          headers: ["retry-after": "5"])
      case .store(let reason):
        var refusal = APIError(reason)
        if reason.code == .diskFull {
          refusal.hint += refusal.hint.isEmpty ? "" : "; "
          refusal.hint +=
            "free some space or let retention delete (clew serve goes on by itself), then send the same body again"
        }
        throw refusal
      }
    }
  }

  private static func answer(_ counts: IngestCounts) -> HTTPResponse {
    answer(reserving: 128 + 80 * counts.refusals.count) { json in
      json.member("lines", counts.lines)
      json.member("accepted", counts.accepted)
      json.member("duplicate", counts.duplicate)
      json.member("conflict", counts.conflict)
      json.member("refused", counts.refused)
      json.member("blank", counts.blank)
      json.array("refusals", counts.refusals) { json, refusal in
        json.object {
          $0.member("line", refusal.line)
          $0.member("reason", refusal.reason)
        }
      }
      json.member("refusalsLeftOut", counts.refusalsLeftOut)
    }
  }

  /// Ready: events are taken (where this process takes any), and the store answers.
  func ready() -> HTTPResponse {
    let status = pipeline?.status
    var reasons = status?.notReadyReasons ?? []
    // A source that fails makes nothing unready: what is stored is there, and others are taken.
    let failing = (status?.sources ?? []).filter { $0.problem != nil }
    do throws(StoreError) { _ = try reader.statistics() } catch {
      reasons.append("the store does not answer: \(error)")
    }
    return Self.answer(status: reasons.isEmpty ? 200 : 503) { json in
      json.member("ready", reasons.isEmpty)
      json.array("reasons", reasons) { $0.string($1) }
      json.array("sources", failing) { json, source in
        json.object { json in
          json.member("name", source.name)
          json.member("state", source.state.rawValue)
          json.member("problem", source.problem)
        }
      }
    }
  }

  func sources() throws(APIError) -> HTTPResponse {
    let statuses = pipeline?.status.sources ?? []
    let stored = try reading { () throws(StoreError) in try reader.sources() }
    // By their bytes: two spellings of one character are two sources.
    let names = Set((stored + statuses.map(\.name)).map { Array($0.utf8) }).sorted { $0.lexicographicallyPrecedes($1) }
    var sources: [(name: String, checkpoints: [SourceCheckpoint])] = []
    for bytes in names {
      let name = String(decoding: bytes, as: UTF8.self)
      let checkpoints = try reading { () throws(StoreError) in try reader.checkpoints(ofSource: name) }
      sources.append((name, checkpoints.filter { $0.subStream != IngestPipeline.probeSubStream }))
    }
    return Self.answer { json in
      json.array("sources", sources) { json, source in
        let name = source.name
        let status = statuses.first { $0.name.utf8.elementsEqual(name.utf8) }
        json.object { json in
          json.member("name", name)
          json.member("kind", status?.kind.rawValue)
          json.member("state", status?.state.rawValue)
          json.member("problem", status?.problem)
          json.member("location", status?.location)
          json.member("accepted", count: status?.accepted)
          json.member("duplicate", count: status?.duplicate)
          json.member("conflict", count: status?.conflict)
          json.member("refused", count: status?.refused)
          json.member("retries", count: status?.retries)
          json.member("headPosition", status?.headPosition.map { "\($0)" })
          json.member("headObservedAt", status?.headObservedAt)
          json.seconds("lagSeconds", status?.lag)
          json.member("lastReadAt", status?.lastReadAt)
          json.array("readers", status?.readers ?? []) { Self.write($1, &$0) }
          json.member("readersOmitted", count: status?.readersOmitted)
          json.member("readersProblem", status?.readersProblem)
          json.array("checkpoints", source.checkpoints) { json, checkpoint in
            json.object {
              $0.member("subStream", checkpoint.subStream)
              $0.member("position", checkpoint.position.description)
              $0.member("token", checkpoint.token)
            }
          }
        }
      }
      json.warnings(storeWarnings())
    }
  }
}

extension ClewAPI {
  /// One who reads an event store beside Clew.
  private static func write(_ reader: ReaderProgress, _ json: inout JSONWriter) {
    json.object { json in
      json.member("kind", reader.kind.rawValue)
      json.member("name", reader.name)
      json.member("reads", reader.reads)
      json.member("condition", reader.condition.rawValue)
      json.member("conditionText", reader.conditionText)
      json.member("reason", reader.reason)
      json.array("checkpoint", reader.checkpoint.map(places) ?? []) { write($1, &$0) }
      json.array("processed", reader.processed.map(places) ?? []) { write($1, &$0) }
      json.member("parked", count: reader.parked.map { Int($0) })
      json.member("inFlight", count: reader.inFlight.map { Int($0) })
      json.member("connections", count: reader.connections)
    }
  }

  private static func places(_ place: ReaderProgress.Place) -> [(stream: String, position: String)] {
    switch place {
    case .start: [("$all", "start")]
    case .log(let position): [("$all", position.description)]
    case .streams(let streams): streams.map { ($0.stream, "\($0.revision)") }
    }
  }

  private static func write(_ place: (stream: String, position: String), _ json: inout JSONWriter) {
    json.object { json in
      json.member("stream", place.stream)
      json.member("position", place.position)
    }
  }
}
