public import EventModel

/// Payloads of all events of one trace, back to back, found by ordinal.
public struct TracePayloads: Sendable {
  private struct Entry {
    var ordinal: Int64
    var start: Int
    var metadataCount: Int
    var dataCount: Int
    var flags: EventFrame.Flags
  }

  private var bytes: [UInt8] = []
  private var entries: [Entry] = []
  private var isSorted = true

  public init() {}

  /// Bytes of all payloads.
  public var byteCount: Int { bytes.count }

  public mutating func append(_ event: EventView) {
    let ordinal = event.ordinal
    if let last = entries.last, last.ordinal > ordinal { isSorted = false }
    // Most traces are within the first room; it is copied when it grows, so that it grows by much.
    if entries.isEmpty { entries.reserveCapacity(64) }
    let wanted = unsafe bytes.count + event.metadata.count + event.data.count
    if wanted > bytes.capacity { bytes.reserveCapacity(max(wanted, 64 << 10, bytes.capacity * 4)) }
    unsafe entries.append(
      Entry(
        ordinal: ordinal, start: bytes.count, metadataCount: event.metadata.count, dataCount: event.data.count,
        flags: event.flags))
    unsafe bytes.append(contentsOf: event.metadata)
    unsafe bytes.append(contentsOf: event.data)
  }

  /// Makes payloads findable: called once, after the last was appended.
  public mutating func finish() {
    if !isSorted { entries.sort { $0.ordinal < $1.ordinal } }
    isSorted = true
  }

  /// Calls `body` with name, bytes, and whether they can stand inside JSON, of each payload that the event has: data,
  /// then metadata. The bytes must not escape.
  ///
  /// - Returns: false if there is no event of this ordinal.
  @discardableResult public func forEachPayload(
    ofOrdinal ordinal: Int64, _ body: (StaticString, UnsafeRawBufferPointer, Bool) -> Void
  ) -> Bool {
    precondition(isSorted, "finish was called")
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].ordinal < ordinal { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].ordinal == ordinal else { return false }
    let entry = entries[low]
    unsafe bytes.withUnsafeBytes { all in
      let dataStart = entry.start + entry.metadataCount
      if entry.flags.contains(.hasData) {
        let data = unsafe UnsafeRawBufferPointer(rebasing: all[dataStart..<(dataStart + entry.dataCount)])
        unsafe body("data", data, entry.flags.contains(.dataIsJSON))
      }
      if entry.flags.contains(.hasMetadata) {
        let metadata = unsafe UnsafeRawBufferPointer(rebasing: all[entry.start..<dataStart])
        unsafe body("metadata", metadata, entry.flags.contains(.metadataIsJSON))
      }
    }
    return true
  }
}
