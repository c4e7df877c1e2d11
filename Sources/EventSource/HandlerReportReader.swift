public import EventModel
public import Platform
import WireFormats

/// Reads what handlers report of themselves: JSON lines or a JSON array of
/// `{"handler","service"?,"source"?,"causeId","attempt"?,"state","at"?,"errorType"?,"message"?}`.
public enum HandlerReportReader {
  public struct Outcome: Sendable {
    public var reports: [HandlerReport] = []
    /// The line (element) of each report, for refusals that come later.
    public var reportLines: [Int] = []
    public var lines = 0
    public var blank = 0
    public var refused = 0
    /// At most `IngestCounts.refusalsMax`.
    public var refusals: [Refusal] = []
  }

  /// Longest `errorType` and `message`; longer ones are refused.
  public static let textBytesMax = 64 << 10

  /// - Parameters:
  ///   - source: of reports that name none.
  ///   - clock: gives `at` where a report has none.
  /// - Throws: `.unsupported` for a content type that is no JSON.
  public static func read(
    body: [UInt8], contentType: String?, source: String, clock: any WallClock = SystemClock()
  ) throws(EventReadError) -> Outcome {
    let type = try BodyType.of(contentType)
    let now = clock.now()
    var outcome = Outcome()
    unsafe body.withUnsafeBytes { bytes in
      var elements = unsafe BodyElements(bytes, onlyLines: type == .lines)
      while let element = unsafe elements.next(bytes) {
        outcome.lines += 1
        switch element {
        case .broken(let reason): refuse(elements.number, reason, &outcome)
        case .bytes(let range):
          unsafe take(UnsafeRawBufferPointer(rebasing: bytes[range]), elements.number, source, now, &outcome)
        }
      }
    }
    return outcome
  }

  private static func take(
    _ line: UnsafeRawBufferPointer, _ number: Int, _ source: String, _ now: Timestamp, _ outcome: inout Outcome
  ) {
    if unsafe EventLineReader.isBlank(line) {
      outcome.blank += 1
      return
    }
    do throws(Refused) {
      unsafe outcome.reports.append(try report(line, source, now))
      outcome.reportLines.append(number)
    } catch {
      refuse(number, error.reason, &outcome)
    }
  }

  private static func refuse(_ number: Int, _ reason: String, _ outcome: inout Outcome) {
    outcome.refused += 1
    if outcome.refusals.count < IngestCounts.refusalsMax {
      outcome.refusals.append(Refusal(line: number, reason: reason))
    }
  }

  private static func report(
    _ line: UnsafeRawBufferPointer, _ source: String, _ now: Timestamp
  ) throws(Refused) -> HandlerReport {
    let value: JSONValue
    do throws(JSONError) { value = unsafe try JSONValue.parse(line) } catch { throw Refused(error.description) }
    guard value.members != nil else { throw Refused("a report is a JSON object, this is another kind of value") }
    guard let handler = try text(value, "handler", EventFrame.nameBytesMax) else {
      throw Refused("the report names no handler")
    }
    guard let stateName = try text(value, "state", 64), let state = HandlerReport.State(rawValue: stateName) else {
      let known = HandlerReport.State.allCases.map(\.rawValue).joined(separator: ", ")
      throw Refused("state is none of \(known)")
    }
    return HandlerReport(
      source: try text(value, "source", EventFrame.nameBytesMax) ?? source,
      service: try text(value, "service", EventFrame.nameBytesMax) ?? "", handler: handler,
      cause: try cause(value), attempt: try attempt(value), state: state, at: try time(value) ?? now,
      errorType: try text(value, "errorType", textBytesMax), message: try text(value, "message", textBytesMax))
  }

  private static func text(_ value: JSONValue, _ key: String, _ bytesMax: Int) throws(Refused) -> String? {
    let found: String
    switch value[key] {
    case nil, .null: return nil
    case .string(let text): found = text
    case .number(let digits): found = digits
    case .bool(let flag): found = flag ? "true" : "false"
    case .array, .object: throw Refused("\(key) is no text")
    }
    if found.utf8.count > bytesMax { throw Refused("\(key) has \(found.utf8.count) bytes, the limit is \(bytesMax)") }
    return found.isEmpty ? nil : found
  }

  private static func cause(_ value: JSONValue) throws(Refused) -> Identifier {
    guard let written = try text(value, "causeId", 1024) else { throw Refused("the report has no causeId") }
    guard let cause = Identifier(written) else {
      throw Refused("causeId is blank, the nil UUID, or longer than \(Identifier.textBytesMax) bytes")
    }
    return cause
  }

  private static func attempt(_ value: JSONValue) throws(Refused) -> UInt32 {
    guard let written = try text(value, "attempt", 64) else { return 1 }
    guard let attempt = UInt32(written), attempt > 0 else {
      throw Refused("attempt is no whole number from 1 to \(UInt32.max)")
    }
    return attempt
  }

  private static func time(_ value: JSONValue) throws(Refused) -> Timestamp? {
    guard let written = try text(value, "at", 64) else { return nil }
    guard let nanoseconds = RFC3339.parse(written) else {
      throw Refused("at is no time with offset in the form of RFC 3339, or outside the years 1677 to 2262")
    }
    return Timestamp(nanoseconds: nanoseconds)
  }
}
