public import EventModel
public import Platform

/// Reads what handlers report of themselves: JSON lines or a JSON array of
/// `{"handler","service"?,"source"?,"causeId","attempt"?,"state","at"?,"errorType"?,"message"?}`.
public struct HandlerReportReader {
  public struct Outcome: Sendable {
    public var reports: [HandlerReport] = []
    public var lines = 0
    public var blank = 0
    public var refused = 0
    public var refusals: [Refusal] = []
  }

  /// - Parameter source: of reports that name none.
  public static func read(
    body: [UInt8], contentType: String?, source: String, clock: any WallClock
  ) throws(EventReadError) -> Outcome { Outcome() }
}

extension HandlerReport {
  /// The stream all reports are stored in.
  public static let stream = "$clew-handler-reports"

  /// Appends the report as an event of class `report`. Its id is made of all but `at` and the texts, so that a report
  /// that is sent twice is a duplicate.
  public func append(to batch: inout EventBatch) {}

  /// Reads a stored report back; nil for any other event.
  public init?(_ event: EventView, source: String) { return nil }
}
