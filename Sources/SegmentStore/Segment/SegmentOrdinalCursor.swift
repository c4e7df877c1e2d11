import EventModel
import Platform
import TraceStore

/// Walks over the events of a segment by ordinal, in bounded memory.
///
/// Blocks hold traces, so ordinals are scattered over them. Two passes over the blocks distribute the events to parts of
/// a nameless temporary file, each part a range of ordinals of about 4 MiB; then one part after the other is read
/// and sorted. The temporary file takes as much space as the frames behind `after`. Without room for it the blocks are
/// read again for each part, so that a full disk can be read, too; and so they are if all is one part. Not thread-safe.
final class SegmentOrdinalCursor {
  /// What a part holds, unless the events of one ordinal range are larger.
  static let partBytesDefault = 4 << 20
  /// What the write buffers of all parts may hold together.
  static let bufferBytes = 4 << 20
  /// Ordinals that are counted on their own; beyond, neighbours are counted together.
  static let slotCountMax = 1 << 20

  private struct Part {
    var offset: Int
    var bytes: Int
    var slots: Range<Int>
    var filled = 0
    var buffer: [UInt8] = []
  }

  private let reader: SegmentReader
  private let after: Int64
  private let partBytes: Int
  /// Nil: the blocks are read again for each part.
  private var file: (any OpenFile)?
  private let slots: Slots?
  private var parts: [Part] = []
  private var nextPart = 0
  private var content: [UInt8] = []
  /// Where the records of the current part are, by ordinal.
  private var order: [(ordinal: Int64, start: Int)] = []
  private var nextRecord = 0

  /// Distributes the events: reads every block twice.
  ///
  /// - Parameters:
  ///   - after: only events with a higher ordinal.
  ///   - temporaryDirectory: of the store, or any other with room.
  init(
    _ reader: SegmentReader, after: Int64, temporaryDirectory: String, partBytes: Int = partBytesDefault
  ) throws(StoreError) {
    self.reader = reader
    self.partBytes = partBytes
    self.after = after
    slots = Slots(reader.descriptor, after: after)
    guard let slots else { return }
    var bytesOfSlot = [Int](repeating: 0, count: slots.count)
    try forEachRecord { (event, trace) throws(StoreError) in
      bytesOfSlot[slots.slot(of: event.ordinal)] += Record.bytes(event, trace)
    }
    let partOfSlot = plan(bytesOfSlot)
    bytesOfSlot = []
    if parts.count <= 1 { return }
    do throws(StoreError) {
      let file: any OpenFile
      do {
        file = try reader.files.temporaryFile(in: temporaryDirectory, purpose: "cursor")
      } catch { throw StoreError.file(error) }
      self.file = file
      try distribute(partOfSlot, slots)
    } catch {
      guard error.code == .diskFull else { throw error }
      file = nil
      for part in parts.indices { parts[part].buffer = [] }
    }
  }

  private func distribute(_ partOfSlot: [Int32], _ slots: Slots) throws(StoreError) {
    let room = max(4096, Self.bufferBytes / max(1, parts.count))
    try forEachRecord { (event, trace) throws(StoreError) in
      let part = Int(partOfSlot[slots.slot(of: event.ordinal)])
      Record.append(event, trace, to: &parts[part].buffer)
      if parts[part].buffer.count >= room { try flush(part) }
    }
    for part in parts.indices {
      try flush(part)
      parts[part].buffer = []
      guard parts[part].filled == parts[part].bytes else { throw reader.damage("file", "it changed while it was read") }
    }
  }

  /// Calls `body` with the next events and their traces, at most `limit`. The views must not escape.
  ///
  /// - Returns: how many there were; 0 at the end.
  func next(
    limit: Int, _ body: (EventView, Identifier?) throws(StoreError) -> Void
  ) throws(StoreError) -> Int {
    var count = 0
    while count < limit {
      if nextRecord == order.count {
        guard try loadNextPart() else { break }
        continue
      }
      let start = order[nextRecord].start
      nextRecord += 1
      count += 1
      unsafe try content.withRawBytes { (all) throws(StoreError) in
        let record = unsafe UnsafeRawBufferPointer(rebasing: all[start...])
        guard let (event, trace) = unsafe Record.read(record) else { throw temporaryFileChanged() }
        try body(event, trace)
      }
    }
    return count
  }

  private func temporaryFileChanged() -> StoreError {
    StoreError(
      .inputOutput, "the temporary file \(file?.path ?? "") gives other bytes than were written", hint: "check the disk"
    )
  }

  private func forEachRecord(_ body: (EventView, Identifier?) throws(StoreError) -> Void) throws(StoreError) {
    for zone in reader.blocks where zone.lastOrdinal > after {
      let block = try reader.readBlock(zone.number)
      _ = try reader.walkAll(block) { (event, trace) throws(StoreError) in
        guard event.ordinal > after else { return .proceed }
        guard event.ordinal >= reader.descriptor.firstOrdinal, event.ordinal <= reader.descriptor.lastOrdinal else {
          throw reader.damage("block \(zone.number)", "ordinal \(event.ordinal) is outside the segment")
        }
        try body(event, trace)
        return .proceed
      }
    }
  }

  /// Groups slots to parts. Slots are never divided, so a part may be larger than planned.
  private func plan(_ bytesOfSlot: [Int]) -> [Int32] {
    let total = bytesOfSlot.reduce(0, +)
    let target = max(partBytes, total / 256)
    var partOfSlot = [Int32](repeating: 0, count: bytesOfSlot.count)
    var offset = 0
    var bytes = 0
    var first = 0
    for (slot, slotBytes) in bytesOfSlot.enumerated() {
      if bytes > 0 && bytes + slotBytes > target {
        parts.append(Part(offset: offset, bytes: bytes, slots: first..<slot))
        offset += bytes
        bytes = 0
        first = slot
      }
      partOfSlot[slot] = Int32(parts.count)
      bytes += slotBytes
    }
    if bytes > 0 { parts.append(Part(offset: offset, bytes: bytes, slots: first..<bytesOfSlot.count)) }
    return partOfSlot
  }

  private func flush(_ part: Int) throws(StoreError) {
    guard let file else { return }
    let offset = parts[part].offset + parts[part].filled
    do {
      unsafe try parts[part].buffer.withRawBytes { (bytes) throws(FileError) in
        unsafe try file.write(bytes, at: offset)
      }
    } catch { throw StoreError.file(error) }
    parts[part].filled += parts[part].buffer.count
    parts[part].buffer.removeAll(keepingCapacity: true)
  }

  private func loadNextPart() throws(StoreError) -> Bool {
    order.removeAll(keepingCapacity: true)
    nextRecord = 0
    guard nextPart < parts.count else {
      content = []
      return false
    }
    let part = parts[nextPart]
    nextPart += 1
    if let file { try read(part, from: file) } else { try collect(part) }
    unsafe try content.withRawBytes { (all) throws(StoreError) in
      var start = 0
      while start < all.count {
        let record = unsafe UnsafeRawBufferPointer(rebasing: all[start...])
        guard let (event, trace) = unsafe Record.read(record) else { throw temporaryFileChanged() }
        order.append((event.ordinal, start))
        start += Record.bytes(event, trace)
      }
    }
    order.sort { $0.ordinal < $1.ordinal }
    return true
  }

  private func read(_ part: Part, from file: any OpenFile) throws(StoreError) {
    content = [UInt8](repeating: 0, count: part.bytes)
    do {
      unsafe try content.withUnsafeMutableBufferPointer { (typed) throws(FileError) in
        let all = UnsafeMutableRawBufferPointer(typed)
        var filled = 0
        while filled < all.count {
          let count = unsafe try file.read(
            into: UnsafeMutableRawBufferPointer(rebasing: all[filled...]), at: part.offset + filled)
          if count == 0 { return }
          filled += count
        }
      }
    } catch { throw StoreError.file(error) }
  }

  private func collect(_ part: Part) throws(StoreError) {
    guard let slots else { return }
    content = []
    content.reserveCapacity(part.bytes)
    try forEachRecord { (event, trace) throws(StoreError) in
      if part.slots.contains(slots.slot(of: event.ordinal)) { Record.append(event, trace, to: &content) }
    }
    guard content.count == part.bytes else { throw reader.damage("file", "it changed while it was read") }
  }

  /// Counters for ranges of ordinals.
  private struct Slots {
    let first: Int64
    let width: UInt64
    let count: Int

    /// Nil if no ordinal of the segment is above `after`.
    init?(_ descriptor: SegmentDescriptor, after: Int64) {
      guard descriptor.lastOrdinal > after else { return nil }
      first = max(descriptor.firstOrdinal, after == .max ? .max : after + 1)
      let span = UInt64(bitPattern: descriptor.lastOrdinal &- first)
      width = span / UInt64(SegmentOrdinalCursor.slotCountMax) + 1
      count = Int(span / width) + 1
    }

    func slot(of ordinal: Int64) -> Int { Int(UInt64(bitPattern: ordinal &- first) / width) }
  }

  /// An event in the temporary file: kind and length of the trace's identifier (u16), the identifier, the frame.
  private enum Record {
    static func bytes(_ event: EventView, _ trace: Identifier?) -> Int {
      unsafe 2 + (trace?.storedByteCount ?? 0) + event.bytes.count
    }

    static func append(_ event: EventView, _ trace: Identifier?, to buffer: inout [UInt8]) {
      let length = trace?.storedByteCount ?? 0
      buffer.append(trace == nil ? 0 : trace?.isUUID == true ? 1 : 2)
      // A text has 1 to 256 bytes.
      buffer.append(UInt8(truncatingIfNeeded: length == 0 ? 0 : length - 1))
      if let trace { buffer.append(contentsOf: trace.storedBytes) }
      unsafe buffer.append(contentsOf: event.bytes)
    }

    static func read(_ bytes: UnsafeRawBufferPointer) -> (EventView, Identifier?)? {
      guard bytes.count > 2 else { return nil }
      let length = unsafe bytes[0] == 0 ? 0 : Int(bytes[1]) + 1
      guard bytes.count > 2 + length else { return nil }
      let identifier = unsafe UnsafeRawBufferPointer(rebasing: bytes[2..<(2 + length)])
      guard let event = unsafe try? EventView(validating: UnsafeRawBufferPointer(rebasing: bytes[(2 + length)...]))
      else {
        return nil
      }
      switch unsafe bytes[0] {
      case 0: return (event, nil)
      case 1 where length == 16: return unsafe (event, Identifier(uuid: IdentifierKey(uuidBytes: identifier)))
      case 2: return unsafe (event, Identifier(text: Array(identifier)))
      default: return nil
      }
    }
  }
}

extension Identifier {
  /// Length of `storedBytes`.
  var storedByteCount: Int { isUUID ? 16 : shownBytes.count }
}

extension SegmentReader {
  /// The events with an ordinal above `after`, by ordinal.
  func ordinalCursor(after: Int64, temporaryDirectory: String) throws(StoreError) -> SegmentOrdinalCursor {
    try SegmentOrdinalCursor(self, after: after, temporaryDirectory: temporaryDirectory)
  }
}
