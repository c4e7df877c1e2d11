import EventModel
import HTTPServer
import TraceStore
import WireFormats

extension JSONWriter {
  /// The bytes of an identifier as shown; nil is written as null.
  mutating func member(_ name: String, _ identifier: Identifier?) {
    key(name)
    self.identifier(identifier)
  }

  mutating func identifier(_ identifier: Identifier?) {
    guard let identifier else { return null() }
    if let uuid = identifier.uuid {
      unsafe string(plainCount: 36) { unsafe Identifier.writeDashed(uuid, to: $0) }
    } else {
      string(identifier.shownBytes)
    }
  }

  /// RFC 3339 in UTC with 6 digits, or 9 where the nanoseconds need them; nil is written as null.
  mutating func member(_ name: String, _ time: Timestamp?) {
    key(name)
    if let time { self.time(nanoseconds: time.nanoseconds) } else { null() }
  }

  /// Nanoseconds as seconds, exactly: a decimal number without exponent and without zeros at its end; nil is null.
  mutating func seconds(_ name: String, _ nanoseconds: Int64?) {
    key(name)
    if let nanoseconds { decimal(billionths: nanoseconds) } else { null() }
  }

  mutating func member(_ name: String, count: Int?) {
    key(name)
    if let count { int(count) } else { null() }
  }

  /// The empty name means "absent" and is written as null.
  mutating func name(_ name: String, _ value: String?) {
    key(name)
    self.name(value ?? "")
  }

  /// Number 0 means "absent".
  mutating func name(_ number: UInt32, _ names: NameTable) {
    if number == 0 { null() } else { unsafe names.withBytes(of: number) { unsafe string($0) } }
  }

  mutating func name(_ value: String) { if value.isEmpty { null() } else { string(value) } }

  mutating func object(_ body: (inout JSONWriter) -> Void) {
    beginObject()
    body(&self)
    endObject()
  }

  mutating func array<E>(_ name: String, _ elements: some Sequence<E>, _ body: (inout JSONWriter, E) -> Void) {
    key(name)
    beginArray()
    for element in elements { body(&self, element) }
    endArray()
  }

  /// `name`, or `nameBase64` where the bytes are no JSON that could stand here; nothing for nil.
  mutating func payload(_ name: String, _ payload: Payload?) {
    guard let payload else { return }
    if payload.isJSON {
      key(name)
      raw(payload.bytes)
    } else {
      key(name + "Base64")
      string(Base64.encode(payload.bytes))
    }
  }

  mutating func payload(_ name: StaticString, _ bytes: UnsafeRawBufferPointer, isJSON: Bool) {
    if isJSON {
      key(plain: name)
      unsafe raw(bytes)
    } else {
      key("\(name)Base64")
      string(Base64.encode(unsafe Array(bytes)))
    }
  }

  /// A place in the source's log; that of a pushed event, which has none of its own, is its ordinal.
  mutating func position(_ position: SourcePosition, ordinal: Int64) {
    key(plain: "position")
    if position.minor != 0 {
      string(position.description)
    } else {
      quoted(position.major == 0 ? UInt64(clamping: ordinal) : position.major)
    }
  }

  /// What the answer may lack, and what else there is to say of it.
  mutating func warnings(_ warnings: [AnswerWarning]) {
    key(plain: "warnings")
    beginArray()
    for warning in warnings {
      object {
        $0.member("code", warning.code)
        $0.member("message", warning.message)
      }
    }
    endArray()
  }
}

/// Something an answer says about itself.
struct AnswerWarning: Hashable {
  var code: String
  var message: String

  init(code: String, message: String) {
    self.code = code
    self.message = message
  }

  init(_ missing: MissingPart) {
    switch missing {
    case .damagedSegment(let name):
      code = "damaged-segment"
      message = "segment \(name) is damaged and set aside: its events are missing here; run clew verify"
    case .droppedByRetention(let ordinals):
      code = "dropped-by-retention"
      message = "events \(ordinals.lowerBound) to \(ordinals.upperBound) were deleted by retention"
    case .droppedOfSource(let name, let ordinals):
      code = "dropped-by-retention"
      message =
        "events of source \(name) among \(ordinals.lowerBound) to \(ordinals.upperBound) were deleted by retention"
    }
  }
}

extension ClewAPI {
  /// What every answer of the store may lack.
  func storeWarnings() -> [AnswerWarning] { reader.missingParts().map { AnswerWarning($0) } }

  static func answer(status: Int = 200, reserving bytes: Int = 1024, _ body: (inout JSONWriter) -> Void) -> HTTPResponse
  {
    HTTPResponse.json(JSONWriter.text(reserving: bytes) { $0.object(body) }, status: status)
  }
}
