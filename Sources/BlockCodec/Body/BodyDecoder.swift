/// Decodes the bodies of one block, in the order in which they were encoded.
///
/// Calls: for each run `beginTrace`; for each of its events either `skip`, or `decodeStream`, `decodeMetadata` and
/// `decodeData`, in this order (that of the event frame, so that a frame can be built in place). Within one run all
/// events are skipped, or all are decoded into the same sink, which only grows meanwhile.
///
/// Never traps and never reads outside its input, whatever the bytes: it throws.
///
/// `@safe`: every read is checked against the end of its column. What the type cannot check is that the caller keeps
/// `columns` and `raw` alive while it is used.
@safe public struct BodyDecoder: ~Copyable {
  private let columns: UnsafeRawBufferPointer
  private let dictionary: SegmentDictionary
  private var position = 0

  public init(
    columns: UnsafeRawBufferPointer, raw: UnsafeRawBufferPointer, dictionary: SegmentDictionary
  ) throws(BodyError) {
    unsafe self.columns = unsafe columns
    self.dictionary = dictionary
  }

  /// Begins a run. `trace`: the identifier of the run's trace as stored, empty for none; read only by this call.
  public mutating func beginTrace(_ trace: UnsafeRawBufferPointer, isUUID: Bool) throws(BodyError) {}

  /// Passes over one event.
  public mutating func skip(typeNumber: UInt32) throws(BodyError) {
    for _ in 0..<3 { _ = unsafe try next() }
  }

  /// Appends the event's stream to `sink`. - Returns: its length.
  public mutating func decodeStream(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    try copy(into: &sink)
  }

  public mutating func decodeMetadata(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    try copy(into: &sink)
  }

  public mutating func decodeData(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    try copy(into: &sink)
  }

  private mutating func copy(into sink: inout ByteSink) throws(BodyError) -> Int {
    let part = unsafe try next()
    guard part.count <= sink.limit - sink.count else { throw .tooLarge }
    unsafe sink.append(part)
    return part.count
  }

  private mutating func next() throws(BodyError) -> UnsafeRawBufferPointer {
    var length: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard unsafe position < columns.count, shift < 64 else { throw .truncated }
      let byte = unsafe columns[position]
      position += 1
      length |= UInt64(byte & 127) << shift
      if byte < 128 { break }
      shift += 7
    }
    guard unsafe length <= UInt64(columns.count - position) else { throw .truncated }
    let part = unsafe UnsafeRawBufferPointer(rebasing: columns[position..<(position + Int(length))])
    position += Int(length)
    return unsafe part
  }
}
