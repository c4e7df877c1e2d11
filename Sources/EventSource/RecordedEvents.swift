public import EventModel
import WireFormats

/// An event as a store of events hands it over: values, and places in the bytes of the message that holds it.
public struct RecordedEvent: Equatable, Sendable {
  public var id = IdentifierKey(high: 0, low: 0)
  public var type = 0..<0
  public var stream = 0..<0
  public var created = Timestamp(nanoseconds: 0)
  public var revision: Int64?
  public var position = SourcePosition(major: 0)
  public var metadata = 0..<0
  public var data = 0..<0
  /// The writer calls the data JSON. Without that it is kept as bytes, even where it could be read as JSON.
  public var dataIsJSON = false

  public init() {}
}

extension EventLineReader {
  /// Appends a recorded event to `batch`, or says why not. Allocates nothing. Complexity: O(bytes).
  ///
  /// Metadata that is no JSON object is kept, and names nothing. Links (`$>`, `$@`) are no events: the caller takes
  /// them out.
  ///
  /// - Parameter message: the bytes that the places in `event` refer to.
  public func read(
    _ event: RecordedEvent, in message: UnsafeRawBufferPointer, into batch: inout EventBatch
  ) -> LineResult {
    defer { forgetBuffers() }
    metadata.reset()
    do throws(Refused) {
      var parts = EventParts()
      unsafe try takeNames(event, message, &parts)
      parts.created = event.created
      parts.revision = event.revision
      unsafe takePayloads(event, message, &parts)
      unsafe try derive(lineRules, message, .line, &parts)
      unsafe try keepPayloads(message, &parts)
      unsafe append(parts, message, event.position, &batch)
      return .event
    } catch {
      return .refused(error.reason)
    }
  }

  private func takeNames(
    _ event: RecordedEvent, _ message: UnsafeRawBufferPointer, _ parts: inout EventParts
  ) throws(Refused) {
    if event.id.isZero { throw Refused("the event has no id (the nil UUID is none)") }
    parts.id = store(event.id, slot: 0)
    parts.flags.insert(.idIsUUID)
    if event.type.isEmpty { throw Refused("the event's type is empty") }
    parts.type = unsafe try recordedName(event.type, "type", message)
    parts.stream = unsafe try recordedName(event.stream, "stream", message)
    let isSystem =
      unsafe message[event.type.lowerBound] == 0x24
      || !event.stream.isEmpty && message[event.stream.lowerBound] == 0x24
    parts.eventClass = isSystem ? .system : .domain
  }

  private func recordedName(
    _ place: Range<Int>, _ name: StaticString, _ message: UnsafeRawBufferPointer
  ) throws(Refused) -> Text {
    if place.count > EventFrame.nameBytesMax {
      throw Refused("\(name) has \(place.count) bytes, the limit is \(EventFrame.nameBytesMax)")
    }
    if unsafe UTF8Validation.firstInvalid(UnsafeRawBufferPointer(rebasing: message[place])) != nil {
      throw Refused("\(name) is not UTF-8")
    }
    return Text(place: .line, start: place.lowerBound, count: place.count)
  }

  private func takePayloads(
    _ event: RecordedEvent, _ message: UnsafeRawBufferPointer, _ parts: inout EventParts
  ) {
    if !event.metadata.isEmpty {
      parts.metadata = Text(place: .line, start: event.metadata.lowerBound, count: event.metadata.count)
      let isJSON = unsafe scanRecordedMetadata(event.metadata, message)
      parts.flags.formUnion(isJSON ? [.hasMetadata, .metadataIsJSON] : .hasMetadata)
    }
    if !event.data.isEmpty {
      parts.data = Text(place: .line, start: event.data.lowerBound, count: event.data.count)
      let isJSON = unsafe event.dataIsJSON && isWholeJSON(UnsafeRawBufferPointer(rebasing: message[event.data]))
      parts.flags.formUnion(isJSON ? [.hasData, .dataIsJSON] : .hasData)
    }
  }

  private func isWholeJSON(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let whole = unsafe try? JSONScanner.scan(bytes) else { return false }
    return whole.onOneLine && whole.value.start == 0 && whole.value.end == bytes.count
  }

  /// Notes the members of metadata that is an object, and says whether it is JSON that can stand in a line.
  private func scanRecordedMetadata(_ place: Range<Int>, _ message: UnsafeRawBufferPointer) -> Bool {
    let upTo = unsafe UnsafeRawBufferPointer(rebasing: message[0..<place.upperBound])
    // Places that the scan notes are places in the message, as all others are.
    var scanner = unsafe JSONScanner(upTo, from: place.lowerBound)
    do throws(JSONError) {
      let first = try scanner.peek()
      let start = scanner.position
      if first == 0x7b {
        unsafe try metadata.read(&scanner, upTo, lineRules.keys, &scratch)
      } else {
        _ = try scanner.value()
      }
      let end = scanner.position
      let onOneLine = !scanner.sawLineBreak
      try scanner.finish()
      return onOneLine && start == place.lowerBound && end == place.upperBound
    } catch {
      metadata.reset()
      return false
    }
  }
}
