public import EventModel

/// Encodes the bodies (stream, metadata, data) of the events of one block after the other.
///
/// Calls: for each block, for each run `beginTrace`, then `append` for each of its events; then `finishBlock`. One
/// thread at a time. Complexity: O(bytes) for each event.
public final class BodyEncoder {
  private let dictionary: DictionaryBuilder
  private var literal = ByteSink(capacity: 256 * 1024)

  /// The builder of the segment that the blocks belong to.
  public init(_ dictionary: DictionaryBuilder) { self.dictionary = dictionary }

  /// Begins a run. `trace`: the identifier of the run's trace as stored, empty for none.
  public func beginTrace(_ trace: UnsafeRawBufferPointer, isUUID: Bool) {}

  /// - Parameter typeNumber: a number of the event's type; the decoder must be given the same. Numbers of 2,048 and
  ///   more share one table of templates.
  public func append(_ event: EventView, typeNumber: UInt32) {
    unsafe put(event.stream)
    unsafe put(event.metadata)
    unsafe put(event.data)
  }

  private func put(_ part: UnsafeRawBufferPointer) {
    literal.append(varint: UInt64(part.count))
    unsafe literal.append(part)
  }

  /// About what the columns of the block have become so far, before compression.
  public var columnBytes: Int { literal.count }

  /// Appends the block's columns (to be compressed) and its raw part (not worth it), and begins the next block.
  public func finishBlock(columns: inout [UInt8], raw: inout [UInt8]) {
    unsafe columns += literal.bytes
    literal.removeAll()
  }
}
