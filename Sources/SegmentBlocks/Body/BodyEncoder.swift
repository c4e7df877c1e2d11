public import EventModel

/// Encodes the bodies (stream, metadata, data) of the events of one block after the other.
///
/// Calls: for each block, for each run `beginTrace`, then `append` for each of its events; then `finishBlock`. One
/// thread at a time, and one encoder for a builder. Complexity: O(bytes) for each event; memory grows with the largest
/// block only.
///
/// `@safe`: the pointer is set once, in `init`, and freed in `deinit` only; what it refers to belongs to `dictionary`,
/// which is kept alive.
@safe public final class BodyEncoder {
  private let dictionary: DictionaryBuilder
  private let block: UnsafeMutablePointer<EncodedBlock>

  /// The builder of the segment that the blocks belong to.
  public init(_ dictionary: DictionaryBuilder) {
    self.dictionary = dictionary
    unsafe block = .allocate(capacity: 1)
    unsafe block.initialize(to: EncodedBlock(dictionary.tables))
  }

  deinit {
    unsafe block.pointee.deallocate()
    unsafe block.deinitialize(count: 1)
    unsafe block.deallocate()
  }

  /// Begins a run. `trace`: the identifier of the run's trace as stored, empty for none.
  public func beginTrace(_ trace: UnsafeRawBufferPointer, isUUID: Bool) {
    unsafe block.pointee.beginRun(trace, isUUID: isUUID)
  }

  /// - Parameter typeNumber: a number of the event's type; the decoder must be given the same. Numbers of 2,048 and
  ///   more share one table of templates.
  public func append(_ event: EventView, typeNumber: UInt32) {
    unsafe block.pointee.append(event, typeNumber: typeNumber)
  }

  /// Says of what type the event behind the next one is, so that what is known of the type is on its way meanwhile.
  @inline(__always) func expect(typeNumber: UInt32) {
    unsafe block.pointee.tables.pointee.prefetchLists(ofType: typeNumber)
  }

  /// About what the columns of the block have become so far, before compression. Complexity: O(keys).
  public var columnBytes: Int { unsafe block.pointee.columnBytes }

  /// Appends the block's columns (to be compressed) and its raw part (not worth it), and begins the next block.
  public func finishBlock(columns: inout [UInt8], raw: inout [UInt8]) {
    unsafe block.pointee.finish(columns: &columns, raw: &raw)
  }
}
