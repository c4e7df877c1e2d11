public import EventModel

/// The traces of a block's runs where they are UUIDs: these stand in front of the data row, before anything that must be
/// inflated.
public struct RunTraces: Sendable {
  private let keys: [IdentifierKey]
  private let kinds: [HeadRun.TraceKind]

  /// Checks a data row as `DataDecoder` does, and inflates nothing.
  ///
  /// - Parameters:
  ///   - head: of the same block. A row that does not fit it throws.
  ///   - table: of the segment, with which the head was decoded.
  public init(
    _ row: UnsafeRawBufferPointer, head: BlockHead, kinds table: SegmentKinds
  ) throws(BlockError) {
    let (fields, raw) = unsafe try DataRow.rawPart(of: row, number: head.number)
    guard fields.eventCount == head.eventCount else { throw .badHeader(field: "event count") }
    var keys: [IdentifierKey] = []
    keys.reserveCapacity(head.runs.count)
    func key(_ place: Int) throws(BlockError) -> IdentifierKey {
      guard place * 16 + 16 <= raw.count else { throw ByteCursor.short }
      return unsafe BlockData.key(UnsafeRawBufferPointer(rebasing: raw[(place * 16)..<(place * 16 + 16)]))
    }
    // UUIDs of traces first, then those of events.
    var nextTrace = 0
    var nextID = head.runs.reduce(0) { $0 + ($1.traceKind == .uuid ? 1 : 0) }
    for run in head.runs {
      switch run.traceKind {
      case .none, .text: keys.append(.zero)
      case .uuid:
        keys.append(try key(nextTrace))
        nextTrace += 1
      case .firstID:
        guard head.flags(run.events.lowerBound, table).contains(.idIsUUID) else { throw ByteCursor.impossible }
        keys.append(try key(nextID))
      }
      for event in run.events where head.flags(event, table).contains(.idIsUUID) { nextID += 1 }
    }
    self.keys = keys
    kinds = head.runs.map(\.traceKind)
  }

  public enum Trace {
    case none
    case uuid(IdentifierKey)
    /// A text, which only the whole block gives.
    case text

    public func `is`(_ key: IdentifierKey) -> Bool {
      if case .uuid(let own) = self { own == key } else { false }
    }
  }

  public subscript(run: Int) -> Trace {
    switch kinds[run] {
    case .none: .none
    case .text: .text
    case .uuid, .firstID: .uuid(keys[run])
    }
  }
}

extension DataRow {
  /// Whether a block may hold a UUID as the id of an event, as a trace or as a cause: all UUIDs of a block stand as they
  /// are in front of its data row, before anything that must be inflated. True may be chance; false is certain.
  ///
  /// Checks header and checksum. Complexity: O(bytes), a few microseconds.
  public static func mayHold(
    _ uuid: IdentifierKey, in row: UnsafeRawBufferPointer, number: Int
  ) throws(BlockError) -> Bool {
    let raw = unsafe try rawPart(of: row, number: number).raw
    let (high, low) = (uuid.high.bigEndian, uuid.low.bigEndian)
    var offset = 0
    while offset &+ 16 <= raw.count {
      if unsafe raw.word(offset) == high, unsafe raw.word(offset &+ 8) == low { return true }
      offset &+= 16
    }
    return false
  }

  /// The header and what stands behind it as it is, in front of what must be inflated.
  fileprivate static func rawPart(
    of row: UnsafeRawBufferPointer, number: Int
  ) throws(BlockError) -> (header: DataHeader, raw: UnsafeRawBufferPointer) {
    let header = unsafe try DataHeader(checking: row)
    guard header.number == number else { throw .badHeader(field: "block number") }
    var outer = unsafe ByteCursor(UnsafeRawBufferPointer(rebasing: row[DataHeader.bytes...]))
    let rawBytes = try outer.count(max: outer.remaining)
    return unsafe (header, try outer.slice(rawBytes))
  }
}
