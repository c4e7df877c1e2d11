public import EventModel
import WireFormats

// Reports are stored like events; this is their form.
extension HandlerReport {
  /// The stream all reports are stored in.
  public static let stream = "$clew-handler-reports"
  static let typePrefix = "$clew.handler-report."

  /// `report:` and 32 hexadecimal digits over all but `at` and the texts, so that a report that is sent twice has
  /// the identity of the first.
  public var id: Identifier {
    var bytes: [UInt8] = []
    // Lengths in front keep ("a", "bc") and ("ab", "c") apart.
    for part in [Array(source.utf8), Array(service.utf8), Array(handler.utf8), cause.storedBytes] {
      bytes += littleEndian(UInt32(part.count))
      bytes += part
    }
    bytes.append(cause.isUUID ? 1 : 0)
    bytes += littleEndian(attempt)
    bytes += Array(state.rawValue.utf8)
    let key = unsafe bytes.withUnsafeBytes { unsafe IdentifierKey.hashing($0) }
    let digits = Identifier(uuid: key).shownBytes.filter { $0 != 0x2d }
    return Identifier(text: Array("report:".utf8) + digits)
  }

  private func littleEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
  }

  /// Appends the report as an event of class `report`; its source is that of the batch.
  public func append(to batch: inout EventBatch) {
    let id = id.storedBytes
    let causeBytes = cause.storedBytes
    let data = payload
    let names = [
      Array(Self.stream.utf8), Array((Self.typePrefix + state.rawValue).utf8), Array(service.utf8),
      Array(handler.utf8),
    ]
    // One buffer for all parts, so that one closure keeps every pointer alive.
    let all = id + causeBytes + names.flatMap { $0 } + data
    unsafe all.withUnsafeBytes { bytes in
      var start = 0
      func take(_ count: Int) -> UnsafeRawBufferPointer {
        defer { start += count }
        return unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)])
      }
      var draft = unsafe EventDraft()
      unsafe draft.flags = [.hasData, .dataIsJSON]
      if cause.isUUID { unsafe draft.flags.insert(.causeIsUUID) }
      unsafe draft.eventClass = .report
      unsafe draft.handlerIdentity = .metadata
      unsafe draft.created = at
      unsafe draft.id = unsafe take(id.count)
      unsafe draft.cause = unsafe take(causeBytes.count)
      unsafe draft.stream = unsafe take(names[0].count)
      unsafe draft.type = unsafe take(names[1].count)
      unsafe draft.service = unsafe take(names[2].count)
      unsafe draft.handler = unsafe take(names[3].count)
      unsafe draft.data = unsafe take(data.count)
      unsafe batch.append(draft)
    }
  }

  private var payload: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("attempt", attempt)
    if let errorType { json.member("errorType", errorType) }
    if let message { json.member("message", message) }
    json.endObject()
    return json.bytes
  }

  /// Reads a stored report back; nil for any other event.
  public init?(_ event: EventView, source: String) {
    guard event.eventClass == .report, let cause = event.cause else { return nil }
    let type = unsafe String(decoding: event.type, as: UTF8.self)
    guard type.hasPrefix(Self.typePrefix), let state = State(rawValue: String(type.dropFirst(Self.typePrefix.count)))
    else { return nil }
    guard let data = unsafe try? JSONValue.parse(event.data) else { return nil }
    unsafe self.init(
      source: source, service: String(decoding: event.service, as: UTF8.self),
      handler: String(decoding: event.handler, as: UTF8.self), cause: cause,
      attempt: UInt32(clamping: data["attempt"]?.int ?? 1), state: state, at: event.created,
      errorType: data["errorType"]?.string, message: data["message"]?.string)
  }
}
