import EventModel
import Platform
import WireFormats

// CloudEvents 1.0 in JSON: attributes on the top level are the metadata.
extension EventLineReader {
  /// type is the type, subject (else source) the stream, source the service; `correlationid`, `causationid`,
  /// `traceparent` and the profile's keys are extensions. Without time the event has the time of arrival. The metadata
  /// is one JSON object of all members but data, in their order.
  func cloudEvent(_ line: UnsafeRawBufferPointer) throws(Refused) -> EventParts {
    unsafe try checkVersion(line)
    var parts = EventParts()
    unsafe try readIdentity(stream(), line, &parts)
    if let time = field(.time), time.kind != .null {
      parts.created = unsafe try self.time(time, "time", line)
    } else {
      parts.created = clock.now()
    }
    unsafe try readData(field(.cloudDataBase64), "data_base64", onOneLine: dataStandsOnOneLine, line, &parts)
    if let source = field(.source) { parts.service = unsafe try name(source, "source", .line, line) }
    unsafe collectAttributes(line, &parts)
    unsafe try derive(cloudRules, line, .line, &parts)
    unsafe try keepPayloads(line, &parts)
    return parts
  }

  private func checkVersion(_ line: UnsafeRawBufferPointer) throws(Refused) {
    guard let version = field(.specversion), version.kind == .string else {
      throw Refused("specversion is no text")
    }
    let content = unsafe try text(version, "specversion", .line, line)
    guard unsafe withBytes(content, line, { unsafe $0.count >= 3 && $0[0] == 0x31 && $0[1] == 0x2e }) else {
      throw Refused("only CloudEvents 1.x are read")
    }
  }

  private func stream() -> JSONSlice? {
    if let subject = field(.subject), subject.kind != .null, subject.end - subject.start > 2 || subject.kind != .string
    {
      return subject
    }
    return field(.source)
  }

  /// Notes the members, and puts all but data into `metadataBytes`.
  private func collectAttributes(_ line: UnsafeRawBufferPointer, _ parts: inout EventParts) {
    metadata.reset()
    var object = unsafe metadataBytes
    unsafe metadataBytes = []
    object.removeAll(keepingCapacity: true)
    object.append(0x7b)
    var onOneLine = true
    // The line was checked before, so that nothing can go wrong here.
    unsafe try? walk(line) { key, value, brokeLine in
      let name = unsafe UnsafeRawBufferPointer(rebasing: line[key.content])
      let match = unsafe cloudRules.keys.match(name)
      if !match.isNone { metadata.note(match, value) }
      let field = unsafe matchField(key, line)
      if field == .data || field == .cloudDataBase64 { return }
      if object.count > 1 { object.append(0x2c) }
      unsafe object.append(contentsOf: line[key.range])
      object.append(0x3a)
      unsafe object.append(contentsOf: line[value.range])
      if brokeLine { onOneLine = false }
    }
    object.append(0x7d)
    unsafe metadataBytes = object
    parts.metadata = Text(place: .metadata, start: 0, count: object.count)
    parts.flags.formUnion(onOneLine ? [.hasMetadata, .metadataIsJSON] : .hasMetadata)
  }

  private func walk(
    _ line: UnsafeRawBufferPointer, _ body: (JSONSlice, JSONSlice, Bool) -> Void
  ) throws(JSONError) {
    var scanner = unsafe JSONScanner(line)
    guard try scanner.beginObject() else { return }
    repeat {
      let key = try scanner.key()
      _ = try scanner.peek()
      scanner.sawLineBreak = false
      let value = try scanner.value()
      body(key, value, scanner.sawLineBreak)
    } while try scanner.hasNextMember()
  }
}

extension MetadataProfile {
  /// The profile's keys first, then those of CloudEvents.
  var withCloudEventKeys: MetadataProfile {
    var both = self
    both.correlationKeys += MetadataProfile.cloudevents.correlationKeys
    both.causationKeys += MetadataProfile.cloudevents.causationKeys
    both.usesTraceparent = true
    return both
  }
}
