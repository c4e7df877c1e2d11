import Compression
import EventModel

extension BlockEncoder {
  func makeHeadRow(_ number: Int) -> [UInt8] {
    var columns = ByteSink(capacity: 8192)
    var raw = ByteSink(capacity: 4096)
    columns.append(varint: UInt64(ordinals.count))
    columns.append(varint: UInt64(runs.count))
    columns.append(varint: UInt64(finishedFrameBytes))
    columns.append(varint: UInt64(localKinds.count))
    for kind in localKinds {
      unsafe withUnsafeBytes(of: kind.word.littleEndian) { unsafe columns.append($0) }
      unsafe withUnsafeBytes(of: kind.sourceIndex.littleEndian) { unsafe columns.append($0) }
      unsafe withUnsafeBytes(of: kind.lengths.littleEndian) { unsafe columns.append($0) }
      unsafe kind.names.withUnsafeBytes { unsafe columns.append($0) }
    }
    for run in runs {
      columns.append(
        varint: UInt64(run.events.count) << 4 | (run.goesOn ? 8 : 0) | (run.continues ? 4 : 0)
          | UInt64(run.traceKind.rawValue))
    }
    unsafe columns.append(parentColumn.bytes)
    unsafe columns.append(kindColumn.bytes)
    appendCreated(&columns, &raw)
    appendOrdinals(&columns, &raw)
    let packed = unsafe compressor.compress(columns.bytes)
    var row = ByteSink(capacity: packed.count + raw.count + 64)
    put(HeadRow.magic, &row)
    put(UInt32(blockVersion), &row)
    put(UInt32(number), &row)
    put(UInt32(columns.count), &row)
    put(UInt32(0), &row)
    put(UInt32(0), &row)
    row.append(varint: UInt64(raw.count))
    unsafe row.append(raw.bytes)
    unsafe packed.withUnsafeBytes { unsafe row.append($0) }
    row.replace(at: HeadRow.Offset.storedLength, with: UInt32(row.count - HeadRow.bytes))
    let checksum = unsafe rowChecksum(
      row.bytes, headerBytes: HeadRow.bytes, checksumAt: HeadRow.Offset.checksum)
    row.replace(at: HeadRow.Offset.checksum, with: checksum)
    return unsafe Array(row.bytes)
  }

  private func put(_ value: UInt32, _ sink: inout ByteSink) {
    unsafe withUnsafeBytes(of: value.littleEndian) { unsafe sink.append($0) }
  }

  private func appendNumbers(_ columns: inout ByteSink, _ raw: inout ByteSink) {
    unsafe scratch.withUnsafeBufferPointer { unsafe NumberColumn.encode($0, columns: &columns, raw: &raw) }
  }

  private func appendCreated(_ columns: inout ByteSink, _ raw: inout ByteSink) {
    var number = HeadCoding.units.count - 1
    for time in created {
      while time % HeadCoding.units[number] != 0 { number -= 1 }
      if number == 0 { break }
    }
    let unit = HeadCoding.units[number]
    columns.append(UInt8(number))
    var start = created[0] / unit
    columns.append(signed: start)
    scratch.removeAll(keepingCapacity: true)
    for run in runs {
      var last = created[run.events.lowerBound] / unit
      scratch.append(zigzag(last &- start))
      start = last
      for event in run.events.dropFirst() {
        let time = created[event] / unit
        scratch.append(zigzag(time &- last))
        last = time
      }
    }
    appendNumbers(&columns, &raw)
  }

  private func appendOrdinals(_ columns: inout ByteSink, _ raw: inout ByteSink) {
    let order = unsafe created.withUnsafeBufferPointer { unsafe EventOrder.sorted($0) }
    let (first, last) = (Int(order[0]), Int(order[order.count - 1]))
    let slope = HeadCoding.slope(rise: ordinals[last] &- ordinals[first], run: created[last] &- created[first])
    var ordinal = ordinals[first]
    var time = created[first]
    columns.append(signed: ordinal)
    columns.append(signed: slope)
    scratch.removeAll(keepingCapacity: true)
    for place in order {
      let next = ordinals[Int(place)]
      let expected = ordinal &+ HeadCoding.predicted(slope, created[Int(place)] &- time)
      scratch.append(zigzag(next &- expected))
      ordinal = next
      time = created[Int(place)]
    }
    appendNumbers(&columns, &raw)
  }

  func makeDataRow(_ number: Int) -> [UInt8] {
    var own = ByteSink(capacity: 16_384)
    var raw = ByteSink(capacity: 8192)
    unsafe raw.append(traceUUIDs.bytes)
    unsafe raw.append(idUUIDs.bytes)
    unsafe raw.append(foreignUUIDs.bytes)
    own.append(varint: UInt64(traceTexts.count + idTexts.count + foreignTexts.count))
    unsafe own.append(traceTexts.bytes)
    unsafe own.append(idTexts.bytes)
    unsafe own.append(foreignTexts.bytes)
    appendPositions(&own, &raw)
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: revisions)
    appendNumbers(&own, &raw)
    var columns: [UInt8] = []
    var rawBytes: [UInt8] = []
    columns.reserveCapacity(own.count + body.columnBytes + 4096)
    var lengths = ByteSink(capacity: 64)
    lengths.append(varint: UInt64(own.count))
    lengths.append(varint: UInt64(raw.count))
    unsafe columns.append(contentsOf: lengths.bytes)
    unsafe columns.append(contentsOf: own.bytes)
    unsafe rawBytes.append(contentsOf: raw.bytes)
    body.finishBlock(columns: &columns, raw: &rawBytes)
    let packed = unsafe columns.withUnsafeBytes {
      unsafe PackedColumns.pack($0, ends: [columns.count], dataCompressor)
    }
    var row = ByteSink(capacity: packed.count + rawBytes.count + 64)
    put(DataRow.magic, &row)
    put(UInt32(blockVersion), &row)
    put(UInt32(number), &row)
    put(UInt32(ordinals.count), &row)
    put(UInt32(columns.count), &row)
    put(UInt32(0), &row)
    put(UInt32(0), &row)
    row.append(varint: UInt64(rawBytes.count))
    unsafe rawBytes.withUnsafeBytes { unsafe row.append($0) }
    unsafe packed.withUnsafeBytes { unsafe row.append($0) }
    row.replace(at: DataRow.Offset.storedLength, with: UInt32(row.count - DataRow.bytes))
    let checksum = unsafe rowChecksum(
      row.bytes, headerBytes: DataRow.bytes, checksumAt: DataRow.Offset.checksum)
    row.replace(at: DataRow.Offset.checksum, with: checksum)
    return unsafe Array(row.bytes)
  }

  /// Positions follow ordinals: each is guessed from the one before it in the order of storing, of the same source.
  private func appendPositions(_ columns: inout ByteSink, _ raw: inout ByteSink) {
    let order = unsafe ordinals.withUnsafeBufferPointer { unsafe EventOrder.sorted($0) }
    var guesses = PositionGuesses()
    let source = sourceIndex(Int(order[0]))
    let last = order.last { sourceIndex(Int($0)) == source } ?? order[0]
    let slope = HeadCoding.slope(
      rise: Int64(bitPattern: majors[Int(last)] &- majors[Int(order[0])]),
      run: ordinals[Int(last)] &- ordinals[Int(order[0])])
    columns.append(signed: slope)
    scratch.removeAll(keepingCapacity: true)
    for place in order {
      let (ordinal, major) = (ordinals[Int(place)], majors[Int(place)])
      let expected = guesses.expected(sourceIndex(Int(place)), ordinal, slope)
      scratch.append(zigzag(Int64(bitPattern: major &- expected)))
      guesses.note(major, ordinal)
    }
    appendNumbers(&columns, &raw)
    let hasMinors = minors.contains { $0 != 0 }
    columns.append(hasMinors ? 1 : 0)
    if hasMinors {
      scratch.removeAll(keepingCapacity: true)
      scratch.append(contentsOf: minors)
      appendNumbers(&columns, &raw)
    }
  }

  private func sourceIndex(_ event: Int) -> UInt32 {
    let kind = kindNumbers[event]
    return kind & BlockHead.localKindFlag != 0
      ? localKinds[Int(kind & ~BlockHead.localKindFlag)].sourceIndex : kinds.kinds[Int(kind)].sourceIndex
  }
}

/// The last position of each source while positions are read or written in the order of ordinals.
///
/// That of the source that was asked for last lies beside the lists: most events are of the one before.
struct PositionGuesses {
  static let sourceCountMax = 16
  private var sources: ContiguousArray<UInt32> = []
  private var majors: ContiguousArray<UInt64> = []
  private var ordinals: ContiguousArray<Int64> = []
  private var current = -1
  private var source: UInt32 = 0
  private var major: UInt64 = 0
  private var ordinal: Int64 = 0

  /// `note` must follow.
  @inline(__always) mutating func expected(_ source: UInt32, _ ordinal: Int64, _ slope: Int64) -> UInt64 {
    if source != self.source || current < 0, turn(to: source) { return 0 }
    return major &+ UInt64(bitPattern: HeadCoding.predicted(slope, ordinal &- self.ordinal))
  }

  @inline(__always) mutating func note(_ major: UInt64, _ ordinal: Int64) {
    self.major = major
    self.ordinal = ordinal
  }

  /// - Returns: whether nothing was noted for the source.
  @inline(never) private mutating func turn(to wanted: UInt32) -> Bool {
    if current >= 0 {
      majors[current] = major
      ordinals[current] = ordinal
    }
    let isNew: Bool
    if let known = sources.firstIndex(of: wanted) {
      current = known
      isNew = false
    } else if sources.count == Self.sourceCountMax {
      // The last place is shared by all further sources.
      current = Self.sourceCountMax - 1
      isNew = false
    } else {
      current = sources.count
      sources.append(wanted)
      majors.append(0)
      ordinals.append(0)
      isNew = true
    }
    source = sources[current]
    major = majors[current]
    ordinal = ordinals[current]
    return isNew
  }
}
