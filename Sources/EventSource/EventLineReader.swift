public import EventModel
public import Platform
import WireFormats

/// What became of one line.
public enum LineResult: Hashable, Sendable {
  /// One event was appended to the batch.
  case event
  /// Nothing but white space.
  case blank
  /// Nothing was appended; the reason is for people.
  case refused(String)
}

/// Reads one event from one line (or element): the input form of JSON lines, or a CloudEvent.
///
/// The line is walked over once, and metadata's members are noted on the way. Members that are not known are ignored;
/// of equal names the last counts. One reader for one thread: it keeps buffers from line to line, so that reading
/// allocates nothing.
///
/// `@safe`: the two pieces of memory are allocated in `init` and freed in `deinit` only; indexes are cases of `Field`
/// and slots 0 to 2.
@safe public final class EventLineReader {
  /// The members of a line that mean something.
  enum Field: Int, CaseIterable {
    case id, type, stream, created, revision, data, metadata, dataBase64, metadataBase64, specversion
    /// Of CloudEvents only.
    case source, subject, time, cloudDataBase64

    var name: String { self == .cloudDataBase64 ? "data_base64" : "\(self)" }
  }

  public let rules: ReadingRules
  let clock: any WallClock
  let lineRules: CompiledRules
  /// With the keys of CloudEvents behind those of the profile.
  let cloudRules: CompiledRules
  private let topKeys = KeyTable(Field.allCases.map(\.name), loose: false)
  let redactor: Redactor?

  // Exclusive access to these is not checked at run time (a tenth of the cost of a line): the reader belongs to one
  // thread, and what is passed inout is taken out of its property first.
  @exclusivity(unchecked) private var seen: UInt64 = 0
  private let fields: UnsafeMutablePointer<JSONSlice>
  let metadata = MetadataScan()
  @exclusivity(unchecked) private var dataOnOneLine = true
  @exclusivity(unchecked) private var metadataOnOneLine = true
  @exclusivity(unchecked) var scratch: [UInt8] = []
  let identifiers: UnsafeMutableRawBufferPointer
  @exclusivity(unchecked) var dataBytes: [UInt8] = []
  @exclusivity(unchecked) var metadataBytes: [UInt8] = []

  public init(rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock()) {
    self.rules = rules
    self.clock = clock
    lineRules = CompiledRules(rules, profile: rules.profile)
    cloudRules = CompiledRules(rules, profile: rules.profile.withCloudEventKeys)
    redactor = rules.redactedPaths.isEmpty ? nil : Redactor(rules.redactedPaths)
    let nothing = JSONSlice(kind: .null, isEscaped: false, start: 0, end: 0)
    unsafe fields = .allocate(capacity: Field.allCases.count)
    unsafe fields.initialize(repeating: nothing, count: Field.allCases.count)
    unsafe identifiers = .allocate(byteCount: 48, alignment: 8)
    unsafe identifiers.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    unsafe fields.deallocate()
    unsafe identifiers.deallocate()
  }

  /// Appends the line's event to `batch`, or says why not. Complexity: O(bytes).
  ///
  /// - Parameters:
  ///   - line: without its line feed; a carriage return at the end is white space.
  ///   - position: of the event in its source.
  public func read(
    line: UnsafeRawBufferPointer, position: SourcePosition, into batch: inout EventBatch
  ) -> LineResult {
    unsafe read(line: line, position: position, mustBeCloudEvent: false, into: &batch)
  }

  func read(
    line: UnsafeRawBufferPointer, position: SourcePosition, mustBeCloudEvent: Bool, into batch: inout EventBatch
  ) -> LineResult {
    if unsafe Self.isBlank(line) { return .blank }
    defer { forgetBuffers() }
    do throws(Refused) {
      unsafe try scan(line)
      let parts: EventParts
      if let version = field(.specversion), version.kind != .null {
        parts = unsafe try cloudEvent(line)
      } else if mustBeCloudEvent {
        throw Refused("a CloudEvent needs specversion")
      } else {
        parts = unsafe try event(line)
      }
      unsafe append(parts, line, position, &batch)
      return .event
    } catch {
      return .refused(error.reason)
    }
  }

  static func isBlank(_ line: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<line.count {
      let byte = unsafe line[index]
      if byte != 0x20 && byte != 0x09 && byte != 0x0d && byte != 0x0a { return false }
    }
    return true
  }

  // MARK: Walking over the line

  private func scan(_ line: UnsafeRawBufferPointer) throws(Refused) {
    unsafe seen = 0
    metadata.reset()
    do throws(JSONError) {
      var scanner = unsafe JSONScanner(line)
      let first = try scanner.peek()
      if first == 0x7b { unsafe try scanMembers(&scanner, line) } else { _ = try scanner.value() }
      try scanner.finish()
      if first == 0x7b { return }
    } catch {
      if line.count >= 3, unsafe line[0] == 0xef, unsafe line[1] == 0xbb, unsafe line[2] == 0xbf {
        throw Refused("a byte order mark may stand at the start of the input only")
      }
      throw Refused(error.description)
    }
    throw Refused("an event is a JSON object, this is another kind of value")
  }

  private func scanMembers(_ scanner: inout JSONScanner, _ line: UnsafeRawBufferPointer) throws(JSONError) {
    guard try scanner.beginObject() else { return }
    repeat {
      let key = try scanner.key()
      guard let field = unsafe matchField(key, line) else {
        _ = try scanner.value()
        continue
      }
      scanner.sawLineBreak = false
      if field == .metadata {
        if try scanner.peek() == 0x7b {
          scanner.sawLineBreak = false
          let start = scanner.position
          unsafe try metadata.read(&scanner, line, lineRules.keys, &scratch)
          note(field, JSONSlice(kind: .object, isEscaped: false, start: start, end: scanner.position))
        } else {
          metadata.reset()
          note(field, try scanner.value())
        }
        unsafe metadataOnOneLine = !scanner.sawLineBreak
      } else {
        _ = try scanner.peek()
        scanner.sawLineBreak = false
        note(field, try scanner.value())
        if field == .data { unsafe dataOnOneLine = !scanner.sawLineBreak }
      }
    } while try scanner.hasNextMember()
  }

  @inline(__always) private func note(_ field: Field, _ value: JSONSlice) {
    unsafe fields[field.rawValue] = value
    unsafe seen |= 1 << UInt64(field.rawValue)
  }

  func matchField(_ key: JSONSlice, _ line: UnsafeRawBufferPointer) -> Field? {
    let name = unsafe UnsafeRawBufferPointer(rebasing: line[key.content])
    var match = KeyMatch()
    if key.isEscaped {
      var unescaped: [UInt8] = []
      if unsafe JSONText.unescape(name, into: &unescaped) {
        match = unsafe unescaped.withUnsafeBytes { unsafe topKeys.match($0) }
      }
    } else {
      match = unsafe topKeys.match(name)
    }
    return match.exact == 0 ? nil : Field(rawValue: match.exact.trailingZeroBitCount)
  }

  @inline(__always) func field(_ field: Field) -> JSONSlice? {
    unsafe seen & (1 << UInt64(field.rawValue)) == 0 ? nil : fields[field.rawValue]
  }

  // MARK: Making the event

  private func event(_ line: UnsafeRawBufferPointer) throws(Refused) -> EventParts {
    var parts = EventParts()
    unsafe try readIdentity(field(.stream), line, &parts)
    guard let created = field(.created), created.kind != .null else { throw Refused("the event has no created") }
    parts.created = unsafe try time(created, "created", line)
    parts.revision = unsafe try revision(line)
    unsafe try readData(field(.dataBase64), "dataBase64", onOneLine: dataOnOneLine, line, &parts)
    let place = unsafe try readMetadata(line, &parts)
    unsafe try derive(lineRules, line, place, &parts)
    unsafe try keepPayloads(line, &parts)
    return parts
  }

  /// Id, type, stream and class.
  func readIdentity(_ stream: JSONSlice?, _ line: UnsafeRawBufferPointer, _ parts: inout EventParts) throws(Refused) {
    parts.id = unsafe try identifier(field(.id), "id", slot: 0, .line, line, &parts.flags, .idIsUUID)
    if parts.id.isAbsent { throw Refused("the event has no id (null, blank and the nil UUID are none)") }
    guard let type = field(.type), type.kind == .string else { throw Refused("the event has no type (a text)") }
    parts.type = unsafe try name(type, "type", .line, line)
    if parts.type.isAbsent { throw Refused("the event's type is empty") }
    if let stream {
      if stream.kind == .object || stream.kind == .array { throw Refused("the stream is no text") }
      parts.stream = unsafe try name(stream, "stream", .line, line)
    }
    let dollars = unsafe withBytes(parts.type, line) { type in
      unsafe (system: type[0] == 0x24, link: type.count == 2 && type[0] == 0x24 && (type[1] == 0x3e || type[1] == 0x40))
    }
    if dollars.link { throw Refused("a link ($> or $@) points at an event and is none") }
    let systemStream = unsafe withBytes(parts.stream, line) { unsafe $0.first == 0x24 }
    parts.eventClass = dollars.system || systemStream ? .system : .domain
  }

  /// Metadata's bytes, as a slice of the line or decoded; gives the place that the noted members refer to.
  private func readMetadata(_ line: UnsafeRawBufferPointer, _ parts: inout EventParts) throws(Refused) -> Text.Place {
    guard let encoded = field(.metadataBase64), encoded.kind != .null else {
      guard let value = field(.metadata) else { return .line }
      parts.metadata = Text(place: .line, start: value.start, count: value.end - value.start)
      unsafe parts.flags.formUnion(metadataOnOneLine ? [.hasMetadata, .metadataIsJSON] : .hasMetadata)
      return .line
    }
    if field(.metadata) != nil { throw Refused("both metadata and metadataBase64 are given") }
    var decoded = unsafe metadataBytes
    unsafe metadataBytes = []
    unsafe try decodeBase64(encoded, "metadataBase64", line, into: &decoded)
    let isJSON = scanDecodedMetadata(decoded)
    unsafe metadataBytes = decoded
    parts.metadata = unsafe Text(place: .metadata, start: 0, count: metadataBytes.count)
    parts.flags.formUnion(isJSON ? [.hasMetadata, .metadataIsJSON] : .hasMetadata)
    return .metadata
  }

  /// Notes the members of metadata that is a JSON object after all, and says whether it can stand in a line.
  private func scanDecodedMetadata(_ decoded: [UInt8]) -> Bool {
    unsafe decoded.withUnsafeBytes { bytes in
      guard let whole = unsafe try? JSONScanner.scan(bytes) else { return false }
      if whole.value.kind == .object {
        var scanner = unsafe JSONScanner(bytes)
        unsafe try? metadata.read(&scanner, bytes, lineRules.keys, &scratch)
      }
      return whole.onOneLine && whole.value.start == 0 && whole.value.end == bytes.count
    }
  }

  /// Data's bytes, as a slice of the line or decoded.
  func readData(
    _ encoded: JSONSlice?, _ encodedName: String, onOneLine: Bool, _ line: UnsafeRawBufferPointer,
    _ parts: inout EventParts
  ) throws(Refused) {
    guard let encoded, encoded.kind != .null else {
      guard let value = field(.data) else { return }
      parts.data = Text(place: .line, start: value.start, count: value.end - value.start)
      parts.flags.formUnion(onOneLine ? [.hasData, .dataIsJSON] : .hasData)
      return
    }
    if field(.data) != nil { throw Refused("both data and \(encodedName) are given") }
    var decoded = unsafe dataBytes
    unsafe dataBytes = []
    unsafe try decodeBase64(encoded, encodedName, line, into: &decoded)
    let isJSON = unsafe decoded.withUnsafeBytes { bytes in
      guard let whole = unsafe try? JSONScanner.scan(bytes) else { return false }
      return whole.onOneLine && whole.value.start == 0 && whole.value.end == bytes.count
    }
    unsafe dataBytes = decoded
    parts.data = unsafe Text(place: .data, start: 0, count: dataBytes.count)
    parts.flags.formUnion(isJSON ? [.hasData, .dataIsJSON] : .hasData)
  }

  var dataStandsOnOneLine: Bool { unsafe dataOnOneLine }

  // MARK: The frame

  func append(
    _ parts: EventParts, _ line: UnsafeRawBufferPointer, _ position: SourcePosition, _ batch: inout EventBatch
  ) {
    // Nearly always all three are empty, and to hold them and let them go takes time.
    if unsafe scratch.isEmpty && dataBytes.isEmpty && metadataBytes.isEmpty {
      let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
      return unsafe append(parts, line, scratch: none, data: none, metadata: none, position, &batch)
    }
    unsafe scratch.withUnsafeBytes { scratch in
      unsafe dataBytes.withUnsafeBytes { data in
        unsafe metadataBytes.withUnsafeBytes { metadata in
          unsafe append(parts, line, scratch: scratch, data: data, metadata: metadata, position, &batch)
        }
      }
    }
  }

  @inline(__always) private func append(
    _ parts: EventParts, _ line: UnsafeRawBufferPointer, scratch: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer,
    metadata: UnsafeRawBufferPointer, _ position: SourcePosition, _ batch: inout EventBatch
  ) {
    @inline(__always) func bytes(_ text: Text) -> UnsafeRawBufferPointer {
      if text.count == 0 { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
      let all =
        switch text.place {
        case .line: unsafe line
        case .scratch: unsafe scratch
        case .identifiers: unsafe UnsafeRawBufferPointer(identifiers)
        case .data: unsafe data
        case .metadata: unsafe metadata
        }
      return unsafe UnsafeRawBufferPointer(rebasing: all[text.start..<(text.start + text.count)])
    }
    var draft = unsafe EventDraft()
    unsafe draft.flags = parts.flags
    unsafe draft.eventClass = parts.eventClass
    unsafe draft.failure = parts.failure
    unsafe draft.handlerIdentity = parts.handlerIdentity
    unsafe draft.created = parts.created
    unsafe draft.position = position
    unsafe draft.revision = parts.revision
    unsafe draft.id = unsafe bytes(parts.id)
    unsafe draft.correlation = unsafe bytes(parts.correlation)
    unsafe draft.cause = unsafe bytes(parts.cause)
    unsafe draft.stream = unsafe bytes(parts.stream)
    unsafe draft.type = unsafe bytes(parts.type)
    unsafe draft.service = unsafe bytes(parts.service)
    unsafe draft.handler = unsafe bytes(parts.handler)
    unsafe draft.schemaVersion = unsafe bytes(parts.schemaVersion)
    unsafe draft.metadata = unsafe bytes(parts.metadata)
    unsafe draft.data = unsafe bytes(parts.data)
    unsafe batch.append(draft)
  }

  /// What one line needed is none of the next one's; and one huge line shall not hold memory for ever.
  func forgetBuffers() {
    if unsafe !scratch.isEmpty { unsafe scratch.removeAll(keepingCapacity: true) }
    if unsafe !dataBytes.isEmpty { unsafe dataBytes.removeAll(keepingCapacity: true) }
    if unsafe !metadataBytes.isEmpty { unsafe metadataBytes.removeAll(keepingCapacity: true) }
    if unsafe scratch.capacity > 1 << 20 { unsafe scratch = [] }
    if unsafe dataBytes.capacity > 1 << 20 { unsafe dataBytes = [] }
    if unsafe metadataBytes.capacity > 1 << 20 { unsafe metadataBytes = [] }
  }
}
