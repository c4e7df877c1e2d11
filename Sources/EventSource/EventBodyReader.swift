import EventModel
public import Platform

/// Reads the events of a request's body: JSON lines, a JSON array, one CloudEvent or a batch of them.
///
/// Batches are bounded; positions are 0, because the position of a pushed event is its ordinal. A byte order mark at
/// the start is skipped. Refusals carry the number of the line, or of the element of an array. Not thread-safe.
public final class EventBodyReader {
  private let body: [UInt8]
  private let reader: EventLineReader
  private let limits: BatchLimits
  private let mustBeCloudEvents: Bool
  private var elements: BodyElements

  /// - Parameter contentType: the header's value; nil lets the first byte decide.
  /// - Throws: `.unsupported` for a content type that is no JSON.
  public init(
    body: [UInt8], contentType: String?, rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock(),
    limits: BatchLimits = BatchLimits()
  ) throws(EventReadError) {
    let type = try BodyType.of(contentType)
    self.body = body
    self.limits = limits
    reader = EventLineReader(rules: rules, clock: clock)
    mustBeCloudEvents = type == .cloudEvent || type == .cloudEventBatch
    elements = unsafe body.withUnsafeBytes { unsafe BodyElements($0, onlyLines: type == .lines) }
  }

  /// The next events, or nil at the end.
  public func next() -> ReadBatch? {
    var batch = ReadBatch()
    batch.firstLine = elements.number + 1
    unsafe body.withUnsafeBytes { bytes in
      while !limits.isFull(batch), let element = unsafe elements.next(bytes) { unsafe take(element, bytes, &batch) }
    }
    return batch.lines > 0 ? batch : nil
  }

  private func take(_ element: BodyElements.Element, _ bytes: UnsafeRawBufferPointer, _ batch: inout ReadBatch) {
    batch.lines += 1
    switch element {
    case .broken(let reason): batch.refuse(line: elements.number, reason)
    case .bytes(let range):
      batch.endOffset = range.upperBound
      let result = unsafe reader.read(
        line: UnsafeRawBufferPointer(rebasing: bytes[range]), position: SourcePosition(major: 0),
        mustBeCloudEvent: mustBeCloudEvents, into: &batch.events)
      switch result {
      case .event: break
      case .blank: batch.blank += 1
      case .refused(let reason): batch.refuse(line: elements.number, reason)
      }
    }
  }
}
