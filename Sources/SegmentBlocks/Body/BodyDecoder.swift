/// Decodes the bodies of one block, in the order in which they were encoded.
///
/// Calls: for each run `beginTrace`; for each of its events either `skip`, or `decodeStream`, `decodeMetadata` and
/// `decodeData`, in this order (that of the event frame, so that a frame can be built in place). Within one run all
/// events are skipped, or all are decoded into the same sink, which only grows meanwhile; of these the first ones may be
/// passed over by `follow`.
///
/// Never traps and never reads outside its input, whatever the bytes: it throws. After an error it is of no more use.
///
/// `@safe`: every read is checked against the end of its column. What the type cannot check is that the caller keeps
/// `columns` and `raw` alive while it is used, and uses `memory` for nothing else meanwhile. The pointer is set once, in
/// `init`, and is that of `memory`.
@safe public struct BodyDecoder: ~Copyable {
  // The dictionary is no part, but with the memory. In a mutating method of a type that cannot be copied the compiler (6.3)
  // loads every part, and tells the thread sanitizer of each reference that what it refers to is modified
  // (`__tsan_external_write` of the loaded value, in the emitted code). All decoders of a segment share the dictionary,
  // which nothing changes: as a part it made a report of a race for each two of them.
  private let memory: BodyMemory
  private let block: UnsafeMutablePointer<DecodedBlock>

  public init(
    columns: UnsafeRawBufferPointer, raw: UnsafeRawBufferPointer, dictionary: SegmentDictionary,
    memory: BodyMemory = BodyMemory()
  ) throws(BodyError) {
    self.memory = memory
    unsafe block = unsafe memory.block(for: dictionary)
    unsafe try block.pointee.open(columns, raw)
  }

  deinit { memory.letGo() }

  /// Begins a run. `trace`: the identifier of the run's trace as stored, empty for none; read only by this call.
  public mutating func beginTrace(_ trace: UnsafeRawBufferPointer, isUUID: Bool) throws(BodyError) {
    guard !isUUID || trace.count == 16 else { throw .invalid }
    unsafe block.pointee.beginRun(trace, isUUID: isUUID)
  }

  /// Passes over one event. Complexity: O(values), some nanoseconds each. What is wrong with its values may only be found
  /// out when the next event is decoded, or never, if none is.
  public mutating func skip(typeNumber: UInt32) throws(BodyError) {
    unsafe try block.pointee.skipEvent(typeNumber)
  }

  /// Appends the event's stream to `sink`. - Returns: its length.
  public mutating func decodeStream(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    unsafe try block.pointee.settle()
    let known = unsafe try block.pointee.classOf(typeNumber)
    guard known.streamList != .max else { throw .invalid }
    unsafe try block.pointee.putValue(path: 0, list: known.streamList, isString: true, context, &sink)
    return sink.count - start
  }

  /// As `decodeStream`, and passes over the rest of the event. Within one run all events are read so, or none.
  public mutating func decodeStreamAlone(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let count = unsafe try decodeStream(typeNumber: typeNumber, context, into: &sink)
    unsafe try block.pointee.passBody(typeNumber)
    return count
  }

  /// As `decodeStream`, and passes over the rest of the event, so that later events of the run can be decoded. Costs a
  /// third of decoding it: of most values it is only noted what they are made of. What stands in `sink` afterwards must
  /// stay there until the run ends.
  ///
  /// - Returns: where the stream stands in `sink`.
  public mutating func follow(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Range<Int> {
    let start = sink.count
    let count = unsafe try decodeStream(typeNumber: typeNumber, context, into: &sink)
    unsafe try block.pointee.followBody(typeNumber, context, &sink)
    return start..<(start + count)
  }

  /// Called behind `beginTrace`: `rewind` leads back to here, to read the run again.
  public mutating func mark() throws(BodyError) { unsafe try block.pointee.mark() }

  public mutating func rewind() throws(BodyError) { unsafe try block.pointee.rewind() }

  public mutating func decodeMetadata(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    let known = unsafe try block.pointee.classOf(typeNumber)
    let rank = unsafe try block.pointee.metadataShapes.varint()
    unsafe try block.pointee.putPart(rank, known.firstMetadata, known.firstData, context, &sink)
    return sink.count - start
  }

  public mutating func decodeData(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    let known = unsafe try block.pointee.classOf(typeNumber)
    let rank = unsafe try block.pointee.dataShapes.varint()
    unsafe try block.pointee.putPart(rank, known.firstData, known.endData, context, &sink)
    return sink.count - start
  }
}
