import EventModel
import Platform

/// Bytes to lines to events: what reading a file to its end and following it share.
final class EventLines {
  private let reader: EventLineReader
  private let limits: BatchLimits
  private var buffer: LineBuffer
  /// Lines read so far.
  private(set) var lineNumber = 0
  private var lastEventCount = 0
  private var lastBytes = 0

  init(rules: ReadingRules, clock: any WallClock, limits: BatchLimits) {
    reader = EventLineReader(rules: rules, clock: clock)
    self.limits = limits
    buffer = LineBuffer(lineBytesMax: rules.lineBytesMax)
  }

  /// Where the first line that was not given out starts.
  var offset: Int { buffer.offset }
  var pendingBytes: Int { buffer.pendingBytes }

  func newBatch() -> ReadBatch {
    var batch = ReadBatch()
    // About as much as the last one took, so that it neither grows in steps nor holds much more than it needs.
    batch.events.reserveCapacity(events: lastEventCount, bytes: lastBytes)
    batch.firstLine = lineNumber + 1
    batch.endOffset = buffer.offset
    return batch
  }

  private func noteSize(_ batch: ReadBatch) {
    lastEventCount = batch.events.count
    lastBytes = batch.events.bytes.count + batch.events.bytes.count / 16
  }

  /// Takes whole lines; true if the batch is full.
  func takeWhole(into batch: inout ReadBatch) -> Bool {
    while !limits.isFull(batch) {
      let next = buffer.next()
      if case .needsMore = next { return false }
      take(next, &batch)
    }
    buffer.shrinkIfEmpty()
    noteSize(batch)
    return true
  }

  /// Takes what is left at the end of the input as a line.
  func takeLast(into batch: inout ReadBatch) {
    let next = buffer.last()
    if case .needsMore = next { return }
    take(next, &batch)
  }

  private func take(_ next: LineBuffer.Next, _ batch: inout ReadBatch) {
    lineNumber += 1
    batch.lines += 1
    batch.endOffset = buffer.offset
    guard case .line(let range) = next else {
      return batch.refuse(line: lineNumber, "the line is longer than \(reader.rules.lineBytesMax) bytes")
    }
    let result = unsafe buffer.bytes.withUnsafeBytes { all in
      var line = unsafe UnsafeRawBufferPointer(rebasing: all[range])
      if lineNumber == 1 { unsafe line = unsafe EventLineReader.withoutByteOrderMark(line) }
      return unsafe reader.read(line: line, position: SourcePosition(major: UInt64(buffer.offset)), into: &batch.events)
    }
    switch result {
    case .event: break
    case .blank: batch.blank += 1
    case .refused(let reason): batch.refuse(line: lineNumber, reason)
    }
  }

  func fill(
    _ body: (UnsafeMutableRawBufferPointer) throws(EventReadError) -> Int
  ) throws(EventReadError) -> Int {
    unsafe try buffer.fill(body)
  }

  /// As `fill`, for a file that is read at offsets.
  func fillFile(_ body: (UnsafeMutableRawBufferPointer) throws(FileError) -> Int) throws(FileError) -> Int {
    unsafe try buffer.fill(body)
  }

  /// The input starts like a gzip file.
  var sawGzip: Bool { buffer.offset == 0 && buffer.startsLikeGzip }

  /// Goes on somewhere else in the input.
  func restart(at offset: Int, lineNumber: Int) {
    buffer.restart(at: offset)
    self.lineNumber = lineNumber
  }
}

extension EventLineReader {
  static func withoutByteOrderMark(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard bytes.count >= 3, unsafe bytes[0] == 0xef, unsafe bytes[1] == 0xbb, unsafe bytes[2] == 0xbf else {
      return unsafe bytes
    }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[3...])
  }
}
