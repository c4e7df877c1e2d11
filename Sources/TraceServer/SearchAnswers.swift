import EventModel
import HTTPServer
import TraceAssembly
import TraceStore
import WireFormats

extension ClewAPI {
  func searchTraces(_ call: Call) throws(APIError) -> HTTPResponse {
    var search = TraceSearch.Options()
    search.range = try range(call)
    search.minDuration = call.duration("minDuration")
    search.limit = call.count("limit")
    if let text = call.text("cursor") {
      guard let place = TracePlace(cursor: text) else {
        throw APIError.badParameter("cursor", "is none of a list", hint: "give nextCursor of the page before, or none")
      }
      search.after = place
    }
    let query: TraceQuery
    do throws(QueryError) { query = try TraceQuery.parse(call.text("q") ?? "") } catch {
      throw APIError(
        400, "invalid_query", "the query cannot be read: \(error)",
        hint: "for example: type:OrderPlaced stream:order-* failed:true duration>2s data.total>100 \"free text\"")
    }
    let options = search
    var summaries: [TraceSummary] = []
    let page = try scans.pass { () throws(APIError) in
      try reading { () throws(StoreError) in
        try TraceSearch(reader, depth: { TraceSummary(of: $0).depth }).run(query, options) { contents in
          summaries.append(TraceSummary(of: contents))
        }
      }
    }
    return Self.answer(reserving: 300 * summaries.count + 256) { json in
      json.array("traces", summaries) { json, summary in json.object { $0.summary(summary) } }
      json.member("nextCursor", page.next?.cursor)
      json.member("examinedCount", page.examinedCount)
      json.member("stoppedEarly", page.stoppedEarly)
      json.warnings(storeWarnings())
    }
  }
}
