import EventModel
import HTTPServer
import Platform
import TraceStore
import WireFormats

extension ClewAPI {
  func range(_ call: Call) throws(APIError) -> TimeRange {
    let range = TimeRange(since: call.time("since"), until: call.time("until"))
    if let since = range.since, let until = range.until, until < since {
      throw APIError.badParameter("until", "lies before since", hint: "swap the two, or leave one out")
    }
    return range
  }

  func handlers(_ call: Call) throws(APIError) -> HTTPResponse {
    let range = try range(call)
    let rows = try scans.pass { () throws(APIError) in
      try reading { () throws(StoreError) in try reader.handlerStatistics(in: range) }
    }
    return Self.answer(reserving: 300 * rows.count + 100) { json in
      json.array("handlers", rows) { json, row in
        json.object {
          $0.member("source", row.source)
          $0.member("service", row.service)
          $0.member("handler", row.handler)
          $0.member("eventType", row.eventType)
          $0.member("count", row.count)
          $0.member("negativeCount", row.negativeCount)
          $0.member("failureCount", row.failureCount)
          $0.seconds("minSeconds", row.minimum)
          $0.seconds("p50Seconds", row.p50)
          $0.seconds("p90Seconds", row.p90)
          $0.seconds("p99Seconds", row.p99)
          $0.seconds("maxSeconds", row.maximum)
        }
      }
      json.warnings(storeWarnings())
    }
  }

  /// Edges with their rate over the range; where a bound is open, the oldest or newest stored event stands for it.
  func flow(_ call: Call) throws(APIError) -> HTTPResponse {
    let range = try range(call)
    let (rows, statistics) = try scans.pass { () throws(APIError) in
      try reading { () throws(StoreError) in (try reader.flow(in: range), try reader.statistics()) }
    }
    let since = range.since ?? statistics.oldestEvent
    let until = range.until ?? (range.since == nil ? statistics.newestEvent : clock.now())
    var seconds: Double?
    if let since, let until, until > since { seconds = Double(until.since(since)) / 1e9 }
    return Self.answer(reserving: 200 * rows.count + 100) { json in
      json.array("flow", rows) { json, row in
        json.object {
          $0.member("source", row.source)
          $0.member("causeType", row.causeType)
          $0.member("service", row.service)
          $0.member("handler", row.handler)
          $0.member("effectType", row.effectType)
          $0.member("count", row.count)
          $0.member("failureCount", row.failureCount)
          $0.member("perSecond", seconds.map { rounded(Double(row.count) / $0) })
        }
      }
      json.warnings(storeWarnings())
    }
  }

  func statistics() throws(APIError) -> HTTPResponse {
    let figures = try reading { () throws(StoreError) in try reader.statistics() }
    let perEvent = figures.eventCount > 0 ? Double(figures.storedBytes) / Double(figures.eventCount) : nil
    return Self.answer { json in
      json.member("eventCount", figures.eventCount)
      json.member("traceCount", figures.traceCount)
      json.member("segmentCount", figures.segmentCount)
      json.member("storedBytes", figures.storedBytes)
      json.member("rawBytes", figures.rawBytes)
      json.member("bytesPerEvent", perEvent.map { rounded($0) })
      json.member("reportCount", figures.reportCount)
      json.member("damagedSegmentCount", figures.damagedSegmentCount)
      json.member("hotEventCount", figures.hotEventCount)
      json.member("unresolvedCount", figures.unresolvedCount)
      json.member("unresolvedDropped", figures.unresolvedDropped)
      json.member("oldestEventAt", figures.oldestEvent)
      json.member("newestEventAt", figures.newestEvent)
      json.key("bytesByKind")
      json.object {
        for (kind, bytes) in figures.bytesByKind.sorted(by: { $0.key < $1.key }) { $0.member(kind, bytes) }
      }
      json.warnings(storeWarnings())
    }
  }
}

/// Three digits behind the point, or three significant ones below 1: enough to read, no noise.
func rounded(_ value: Double) -> Double {
  guard value.isFinite, value != 0 else { return 0 }
  var scale = 1000.0
  while abs(value) * scale < 100 && scale < 1e12 { scale *= 10 }
  return (value * scale).rounded() / scale
}
