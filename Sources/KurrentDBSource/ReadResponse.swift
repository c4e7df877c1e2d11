import EventModel
import EventSource
import WireFormats

/// One message of `Streams.Read` (message ReadResp of kurrentdb.proto), of any server version. Places are places in
/// the bytes of the message; nothing is copied.
struct ReadResponse {
  enum Content: Equatable {
    /// Nothing that this version knows: passed over.
    case unknown
    case event, confirmation, checkpoint, streamNotFound
    case firstStreamPosition, lastStreamPosition, lastAllStreamPosition
    case caughtUp, fellBehind
  }

  var content = Content.unknown
  /// Of an event: what was read; of a resolved link, its target (absent if that is gone).
  var event: Record?
  /// The link that was resolved.
  var link: Record?
  /// Of an event: the commit position of the record that was read, which is the link if there is one.
  var commitPosition: UInt64?
  /// Of checkpoints, caught-up and fell-behind messages, as far as they say it.
  var position: SourcePosition?
  var timestamp: Timestamp?
  /// Of caught-up and fell-behind messages of a stream; of the first and last position of a stream.
  var revision: Int64?
  /// The id of a subscription, or the name of the stream that was not found.
  var text = 0..<0

  /// A recorded event or link. Numbers that the server does not know are -1, which comes as the largest.
  struct Record {
    enum Identity: Equatable {
      case absent, uuid
      /// A text that is no UUID.
      case other
    }

    var identity = Identity.absent
    var event = RecordedEvent()
    /// As the server counts it: unsigned.
    var streamRevision: UInt64 = 0
    var contentType = 0..<0
    /// Whether a time was given at all, and in which form.
    var created = Creation.absent

    enum Creation: Equatable { case absent, read, malformed, outOfRange }
  }

  init() {}

  /// - Throws: for bytes that are no protobuf message of this schema. Nothing was handed over then.
  init(_ message: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = unsafe ProtobufReader(message)
    // Of the members of a oneof the last one counts.
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: unsafe try readEvent(reader.message(), message)
      case 2: unsafe try readText(.confirmation, field: 1, reader.message(), message)
      case 3: unsafe try readCheckpoint(reader.message())
      case 4: unsafe try readNotFound(reader.message(), message)
      case 5: unsafe try readNumber(.firstStreamPosition, &reader)
      case 6: unsafe try readNumber(.lastStreamPosition, &reader)
      case 7:
        self = ReadResponse()
        content = .lastAllStreamPosition
        position = unsafe try Self.position(reader.message())
      case 8: unsafe try readTurn(.caughtUp, reader.message())
      case 9: unsafe try readTurn(.fellBehind, reader.message())
      default: unsafe try reader.skip()
      }
    }
  }

  // MARK: Members

  private mutating func readEvent(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) {
    var reader = unsafe given
    if content != .event {
      self = ReadResponse()
      content = .event
    }
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: event = unsafe try Self.record(reader.message(), message)
      case 2: link = unsafe try Self.record(reader.message(), message)
      case 3: commitPosition = unsafe try reader.varint()
      case 4:
        _ = unsafe try reader.slice()
        commitPosition = nil
      default: unsafe try reader.skip()
      }
    }
  }

  private mutating func readText(
    _ kind: Content, field: Int, _ given: ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) {
    var reader = unsafe given
    self = ReadResponse()
    content = kind
    while unsafe try reader.next() {
      if unsafe reader.field == field {
        text = unsafe try Self.checkedText(&reader, message)
      } else {
        unsafe try reader.skip()
      }
    }
  }

  private mutating func readCheckpoint(_ given: ProtobufReader) throws(ProtobufError) {
    var reader = unsafe given
    self = ReadResponse()
    content = .checkpoint
    var commit: UInt64 = 0
    var prepare: UInt64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: commit = unsafe try reader.varint()
      case 2: prepare = unsafe try reader.varint()
      case 3: timestamp = unsafe try Self.timestamp(reader.message())
      default: unsafe try reader.skip()
      }
    }
    position = SourcePosition(major: commit, minor: prepare)
  }

  private mutating func readNotFound(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) {
    var reader = unsafe given
    self = ReadResponse()
    content = .streamNotFound
    while unsafe try reader.next() {
      if unsafe reader.field == 1 {
        text = unsafe try Self.streamName(reader.message(), message)
      } else {
        unsafe try reader.skip()
      }
    }
  }

  private mutating func readNumber(_ kind: Content, _ reader: inout ProtobufReader) throws(ProtobufError) {
    self = ReadResponse()
    content = kind
    revision = Int64(bitPattern: unsafe try reader.varint())
  }

  /// Caught up and fell behind: empty before 24.10.5 and 25.0.1.
  private mutating func readTurn(_ kind: Content, _ given: ProtobufReader) throws(ProtobufError) {
    var reader = unsafe given
    self = ReadResponse()
    content = kind
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: timestamp = unsafe try Self.timestamp(reader.message())
      case 2: revision = unsafe try reader.int()
      case 3: position = unsafe try Self.position(reader.message())
      default: unsafe try reader.skip()
      }
    }
  }

  // MARK: Values

  private static func position(_ given: ProtobufReader) throws(ProtobufError) -> SourcePosition {
    var reader = unsafe given
    var commit: UInt64 = 0
    var prepare: UInt64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: commit = unsafe try reader.varint()
      case 2: prepare = unsafe try reader.varint()
      default: unsafe try reader.skip()
      }
    }
    return SourcePosition(major: commit, minor: prepare)
  }

  /// Nil for a time that 64 bits of nanoseconds do not hold.
  private static func timestamp(_ given: ProtobufReader) throws(ProtobufError) -> Timestamp? {
    var reader = unsafe given
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: seconds = unsafe try reader.int()
      case 2: nanoseconds = unsafe Int64(Int32(truncatingIfNeeded: try reader.int()))
      default: unsafe try reader.skip()
      }
    }
    let (whole, isTooFar) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isBeyond) = whole.addingReportingOverflow(nanoseconds)
    return isTooFar || isBeyond ? nil : Timestamp(nanoseconds: sum)
  }

  @inline(__always) private static func record(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Record {
    var reader = unsafe given
    var record = Record()
    var commit: UInt64 = 0
    var prepare: UInt64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: unsafe try readID(reader.message(), message, &record)
      case 2: record.event.stream = unsafe try streamName(reader.message(), message)
      case 3: record.streamRevision = unsafe try reader.varint()
      case 4: prepare = unsafe try reader.varint()
      case 5: commit = unsafe try reader.varint()
      case 6: unsafe try readMetadata(reader.message(), message, &record)
      case 7: record.event.metadata = unsafe place(try reader.slice(), message)
      case 8: record.event.data = unsafe place(try reader.slice(), message)
      default: unsafe try reader.skip()
      }
    }
    record.event.revision = Int64(exactly: record.streamRevision)
    record.event.position = SourcePosition(major: commit, minor: prepare)
    return record
  }

  private static func readID(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer, _ record: inout Record
  ) throws(ProtobufError) {
    var reader = unsafe given
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1:
        let halves = unsafe try structuredID(reader.message())
        record.event.id = IdentifierKey(high: halves.high, low: halves.low)
        record.identity = .uuid
      case 2:
        let text = unsafe try checkedText(&reader, message)
        switch unsafe Identifier.scan(UnsafeRawBufferPointer(rebasing: message[text])) {
        case .uuid(let key):
          record.event.id = key
          record.identity = .uuid
        case .absent:
          record.event.id = IdentifierKey(high: 0, low: 0)
          record.identity = .uuid
        case .text, .tooLong:
          record.event.id = IdentifierKey(high: 0, low: 0)
          record.identity = .other
        }
      default: unsafe try reader.skip()
      }
    }
  }

  private static func structuredID(
    _ given: ProtobufReader
  ) throws(ProtobufError) -> (high: UInt64, low: UInt64) {
    var reader = unsafe given
    var high: UInt64 = 0
    var low: UInt64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: high = unsafe try reader.varint()
      case 2: low = unsafe try reader.varint()
      default: unsafe try reader.skip()
      }
    }
    return (high, low)
  }

  private static func streamName(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Range<Int> {
    var reader = unsafe given
    var name = 0..<0
    while unsafe try reader.next() {
      if unsafe reader.field == 3 {
        name = unsafe place(try reader.slice(), message)
      } else {
        unsafe try reader.skip()
      }
    }
    return name
  }

  /// One entry of the map: `type`, `created`, `content-type`; others are passed over.
  private static func readMetadata(
    _ given: ProtobufReader, _ message: UnsafeRawBufferPointer, _ record: inout Record
  ) throws(ProtobufError) {
    var reader = unsafe given
    var key = 0..<0
    var value = 0..<0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: key = unsafe place(try reader.slice(), message)
      case 2: value = unsafe place(try reader.slice(), message)
      default: unsafe try reader.skip()
      }
    }
    // What equals a word, or is all digits, is UTF-8; the rest is looked at.
    if unsafe equals(key, "type", message) {
      unsafe try check(value, message)
      record.event.type = value
    } else if unsafe equals(key, "created", message) {
      unsafe readCreated(UnsafeRawBufferPointer(rebasing: message[value]), &record)
      if record.created != .read { unsafe try check(value, message) }
    } else if unsafe equals(key, "content-type", message) {
      record.contentType = value
      record.event.dataIsJSON = unsafe equals(value, "application/json", message)
      if !record.event.dataIsJSON { unsafe try check(value, message) }
    } else {
      unsafe try check(key, message)
      unsafe try check(value, message)
    }
  }

  /// A text of the schema must be UTF-8: protobuf demands it.
  private static func check(_ text: Range<Int>, _ message: UnsafeRawBufferPointer) throws(ProtobufError) {
    if unsafe UTF8Validation.firstInvalid(UnsafeRawBufferPointer(rebasing: message[text])) != nil {
      throw ProtobufError(.invalidText, at: text.lowerBound)
    }
  }

  /// 100-nanosecond ticks since 1970, in decimal.
  private static func readCreated(_ text: UnsafeRawBufferPointer, _ record: inout Record) {
    record.created = .malformed
    let isNegative = unsafe text.first == 0x2d
    guard text.count > (isNegative ? 1 : 0), text.count <= 20 else { return }
    var ticks: Int64 = 0
    for index in (isNegative ? 1 : 0)..<text.count {
      let digit = unsafe text[index] &- 0x30
      guard digit < 10 else { return }
      let (tens, isTooLarge) = ticks.multipliedReportingOverflow(by: 10)
      let (sum, isBeyond) = tens.addingReportingOverflow(Int64(digit))
      if isTooLarge || isBeyond {
        record.created = .outOfRange
        return
      }
      ticks = sum
    }
    let (nanoseconds, isBeyond) = (isNegative ? -ticks : ticks).multipliedReportingOverflow(by: 100)
    record.created = isBeyond ? .outOfRange : .read
    if !isBeyond { record.event.created = Timestamp(nanoseconds: nanoseconds) }
  }

  /// As `check`, where it stands.
  @inline(__always) private static func checkedText(
    _ reader: inout ProtobufReader, _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Range<Int> {
    let start = unsafe reader.offset
    let bytes = unsafe try reader.slice()
    if unsafe UTF8Validation.firstInvalid(bytes) != nil { throw ProtobufError(.invalidText, at: start) }
    return unsafe place(bytes, message)
  }

  @inline(__always) private static func equals(
    _ range: Range<Int>, _ word: StaticString, _ message: UnsafeRawBufferPointer
  ) -> Bool {
    guard range.count == word.utf8CodeUnitCount else { return false }
    for index in 0..<range.count where unsafe message[range.lowerBound + index] != word.utf8Start[index] {
      return false
    }
    return true
  }

  /// Where a slice of the message lies in it.
  @inline(__always) private static func place(
    _ slice: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer
  ) -> Range<Int> {
    guard unsafe !slice.isEmpty, let start = slice.baseAddress, let base = message.baseAddress else { return 0..<0 }
    let offset = unsafe start - base
    return offset..<(offset + slice.count)
  }
}
