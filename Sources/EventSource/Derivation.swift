import EventModel
import WireFormats

// What metadata, type and stream say together: ids, handler, failure, schema version.
extension EventLineReader {
  /// - Parameter place: of the bytes that the noted members of metadata refer to.
  func derive(
    _ compiled: CompiledRules, _ line: UnsafeRawBufferPointer, _ place: Text.Place, _ parts: inout EventParts
  ) throws(Refused) {
    unsafe try deriveIdentifiers(compiled, line, place, &parts)
    unsafe try deriveHandler(compiled, line, place, &parts)
    parts.failure = unsafe try failure(compiled, line, place, parts.type)
    let version = try metadata.first(compiled.mask(.schemaVersion)) { value throws(Refused) -> Text? in
      let found = unsafe try name(value, "the schema version", place, line)
      return found.isAbsent ? nil : found
    }
    parts.schemaVersion = unsafe version ?? schemaSuffix(parts.type, line)
  }

  private func deriveIdentifiers(
    _ compiled: CompiledRules, _ line: UnsafeRawBufferPointer, _ place: Text.Place, _ parts: inout EventParts
  ) throws(Refused) {
    var flags = parts.flags
    parts.correlation =
      try metadata.first(compiled.mask(.correlation)) { value throws(Refused) -> Text? in
        let found = unsafe try identifier(
          value, "the correlation id", slot: 1, place, line, &flags, .correlationIsUUID)
        return found.isAbsent ? nil : found
      } ?? .absent
    parts.cause =
      try metadata.first(compiled.mask(.causation)) { value throws(Refused) -> Text? in
        let found = unsafe try identifier(value, "the causation id", slot: 2, place, line, &flags, .causeIsUUID)
        return found.isAbsent ? nil : found
      } ?? .absent
    parts.flags = flags
    if compiled.usesTraceparent, parts.correlation.isAbsent || parts.cause.isAbsent {
      unsafe try readTraceparent(compiled, line, place, &parts)
    }
    if !parts.flags.contains(.causeIsUUID), unsafe withBytes(parts.cause, line, { unsafe Identifier.isSpanID($0) }) {
      parts.flags.insert(.causeIsSpan)
    }
  }

  /// W3C Trace Context: `00-<32 digits of the trace>-<16 digits of the parent span>-<flags>`. Anything else is ignored,
  /// as that standard demands.
  private func readTraceparent(
    _ compiled: CompiledRules, _ line: UnsafeRawBufferPointer, _ place: Text.Place, _ parts: inout EventParts
  ) throws(Refused) {
    let found = try metadata.first(compiled.mask(.traceparent)) { value throws(Refused) -> Text? in
      unsafe value.kind == .string ? try text(value, "traceparent", place, line) : nil
    }
    guard let found, unsafe withBytes(found, line, { unsafe Self.isTraceparent($0) }) else { return }
    if parts.correlation.isAbsent {
      let trace = Text(place: found.place, start: found.start + 3, count: 32)
      if case .uuid(let key) = unsafe withBytes(trace, line, { unsafe Identifier.scan($0) }) {
        parts.correlation = store(key, slot: 1)
        parts.flags.insert(.correlationIsUUID)
      }
    }
    if parts.cause.isAbsent { parts.cause = Text(place: found.place, start: found.start + 36, count: 16) }
  }

  static func isTraceparent(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count >= 55, unsafe text[2] == 0x2d, unsafe text[35] == 0x2d, unsafe text[52] == 0x2d else {
      return false
    }
    // Version ff is forbidden; version 00 has exactly these fields, later ones may have more behind a dash.
    guard unsafe text[0] != 0x66 || text[1] != 0x66 else { return false }
    if unsafe text.count > 55 && (text[55] != 0x2d || text[0] == 0x30 && text[1] == 0x30) { return false }
    var traceIsZero = true
    var spanIsZero = true
    for index in 0..<55 where index != 2 && index != 35 && index != 52 {
      let byte = unsafe text[index]
      guard (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) else { return false }
      if byte != 0x30 {
        if index > 2 && index < 35 { traceIsZero = false }
        if index > 35 && index < 52 { spanIsZero = false }
      }
    }
    return !traceIsZero && !spanIsZero
  }

  // MARK: Handler

  private func deriveHandler(
    _ compiled: CompiledRules, _ line: UnsafeRawBufferPointer, _ place: Text.Place, _ parts: inout EventParts
  ) throws(Refused) {
    parts.service =
      try metadata.first(compiled.mask(.service)) { value throws(Refused) -> Text? in
        let found = unsafe try name(value, "service", place, line)
        return found.isAbsent ? nil : found
      } ?? parts.service
    let handler = try metadata.first(compiled.mask(.handler)) { value throws(Refused) -> Text? in
      let found = unsafe try name(value, "handler", place, line)
      return found.isAbsent ? nil : found
    }
    if let handler {
      parts.handler = handler
      parts.handlerIdentity = .metadata
      return
    }
    let category = unsafe parts.stream.head(withBytes(parts.stream, line) { unsafe $0.firstIndex(of: 0x2d) ?? 0 })
    for rule in compiled.handlerRules where unsafe matches(rule, parts.type, category, line) {
      parts.handler = keep(rule.handler)
      if !rule.service.isEmpty { parts.service = keep(rule.service) }
      parts.handlerIdentity = .rule
      return
    }
    if parts.eventClass == .domain, !category.isAbsent {
      parts.handler = category
      parts.handlerIdentity = .streamCategory
    }
  }

  private func matches(
    _ rule: CompiledRules.CompiledHandlerRule, _ type: Text, _ category: Text, _ line: UnsafeRawBufferPointer
  ) -> Bool {
    if let pattern = rule.type, unsafe !withBytes(type, line, { unsafe pattern.matches($0) }) { return false }
    if let pattern = rule.category {
      if unsafe category.isAbsent || !withBytes(category, line, { unsafe pattern.matches($0) }) { return false }
    }
    return true
  }

  private func keep(_ bytes: [UInt8]) -> Text {
    unsafe scratch += bytes
    return unsafe Text(place: .scratch, start: scratch.count - bytes.count, count: bytes.count)
  }

  // MARK: Failure and schema version

  /// A failure if any of the failure keys says so; the type's patterns only where none of the keys is there.
  private func failure(
    _ compiled: CompiledRules, _ line: UnsafeRawBufferPointer, _ place: Text.Place, _ type: Text
  ) throws(Refused) -> FailureKind {
    var isKeyThere = false
    let byStatus = try metadata.first(compiled.mask(.status)) { value throws(Refused) -> Bool? in
      let found = unsafe try text(value, "status", place, line)
      if found.isAbsent { return nil }
      isKeyThere = true
      return unsafe withBytes(found, line) { unsafe Self.isFailureWord($0) } ? true : nil
    }
    if byStatus == true { return .metadata }
    let mask = compiled.mask(.error) | compiled.mask(.failure)
    let byError = metadata.first(mask) { value -> Bool? in
      guard value.kind != .null, value.kind != .string || value.end - value.start > 2 else { return nil }
      isKeyThere = true
      return unsafe saysError(value, place, line) ? true : nil
    }
    if byError == true { return .metadata }
    if isKeyThere { return .none }
    for pattern in compiled.failurePatterns where unsafe withBytes(type, line, { unsafe pattern.matches($0) }) {
      return .eventType
    }
    return .none
  }

  /// `error` or `failed`, in any case.
  static func isFailureWord(_ text: UnsafeRawBufferPointer) -> Bool {
    func equals(_ word: StaticString) -> Bool {
      guard text.count == word.utf8CodeUnitCount else { return false }
      for index in 0..<text.count where unsafe text[index] | 0x20 != word.utf8Start[index] { return false }
      return true
    }
    return equals("error") || equals("failed")
  }

  /// Not null, false, 0, "", {} or [].
  private func saysError(_ value: JSONSlice, _ place: Text.Place, _ line: UnsafeRawBufferPointer) -> Bool {
    switch value.kind {
    case .null, .false: return false
    case .true, .string: return true
    case .number:
      let digits = Text(place: place, start: value.start, count: value.end - value.start)
      return unsafe withBytes(digits, line) { bytes in
        for index in 0..<bytes.count {
          if unsafe bytes[index] | 0x20 == 0x65 { return false }
          if unsafe bytes[index] >= 0x31 && bytes[index] <= 0x39 { return true }
        }
        return false
      }
    case .array, .object:
      let inside = Text(place: place, start: value.start + 1, count: value.end - value.start - 2)
      return unsafe withBytes(inside, line) { unsafe !Self.isBlank($0) }
    }
  }

  /// The digits of `.v2` or `_V2` at the end of a type.
  private func schemaSuffix(_ type: Text, _ line: UnsafeRawBufferPointer) -> Text {
    let digits = unsafe withBytes(type, line) { bytes -> Int in
      var start = bytes.count
      while start > 0, unsafe bytes[start - 1] >= 0x30, unsafe bytes[start - 1] <= 0x39 { start -= 1 }
      guard start < bytes.count, start >= 3, unsafe bytes[start - 1] | 0x20 == 0x76 else { return 0 }
      return unsafe bytes[start - 2] == 0x2e || bytes[start - 2] == 0x5f ? bytes.count - start : 0
    }
    return digits == 0 ? .absent : type.tail(digits)
  }

  // MARK: Payloads

  /// Drops, redacts and bounds data and metadata.
  func keepPayloads(_ line: UnsafeRawBufferPointer, _ parts: inout EventParts) throws(Refused) {
    if !rules.keepData {
      parts.data = .absent
      parts.flags.subtract([.hasData, .dataIsJSON])
    }
    if !rules.keepMetadata {
      parts.metadata = .absent
      parts.flags.subtract([.hasMetadata, .metadataIsJSON])
    }
    let bytes = parts.data.count + parts.metadata.count
    if bytes > rules.payloadBytesMax {
      throw Refused("data and metadata have \(bytes) bytes, the limit is \(rules.payloadBytesMax)")
    }
    guard let redactor else { return }
    if let redacted = unsafe withBytes(parts.data, line, { unsafe redactor.redact($0, .data) }) {
      unsafe dataBytes = redacted
      parts.data = Text(place: .data, start: 0, count: redacted.count)
    }
    if let redacted = unsafe withBytes(parts.metadata, line, { unsafe redactor.redact($0, .metadata) }) {
      // Names may still point into the bytes that are replaced here.
      try moveNamesOutOfMetadata(&parts)
      unsafe metadataBytes = redacted
      parts.metadata = Text(place: .metadata, start: 0, count: redacted.count)
    }
  }

  private func moveNamesOutOfMetadata(_ parts: inout EventParts) throws(Refused) {
    func moved(_ text: Text) -> Text {
      unsafe text.place == .metadata ? keep(Array(metadataBytes[text.start..<(text.start + text.count)])) : text
    }
    parts.correlation = moved(parts.correlation)
    parts.cause = moved(parts.cause)
    parts.service = moved(parts.service)
    parts.handler = moved(parts.handler)
    parts.schemaVersion = moved(parts.schemaVersion)
  }
}
