import Platform

/// Sorts records by the bytes of their keys in bounded memory: what does not fit goes to temporary files without a
/// name, each a sorted run, which are merged at the end.
///
/// Equal keys keep the order in which they were added. Used by one thread.
final class ExternalSorter {
  private let directory: String
  private let memoryBytesMax: Int
  private let runCountMax: Int
  private var memory: [UInt8] = []
  private var entries: [Entry] = []
  private var runs: [SortedRun] = []
  private(set) var recordCount = 0
  private(set) var spilledRunCount = 0

  /// A record in `memory`: u32 key length, u32 value length, key, value. `prefix` is the start of the key, most
  /// significant byte first, so that most comparisons touch nothing else.
  private struct Entry {
    var prefix: UInt64
    var offset: Int
  }

  /// - Parameters:
  ///   - directory: where temporary files go.
  ///   - memoryBytesMax: records are written out when they take more than this.
  ///   - runCountMax: runs are merged into one when there are so many, which bounds open files and read buffers.
  init(directory: String, memoryBytesMax: Int, runCountMax: Int = 64) {
    precondition(runCountMax >= 2, "merging needs at least two runs")
    self.directory = directory
    self.memoryBytesMax = memoryBytesMax
    self.runCountMax = runCountMax
  }

  func add(key: [UInt8], value: [UInt8]) throws(FileError) {
    entries.append(Entry(prefix: keyPrefix(key), offset: memory.count))
    SortRecord.append(key: key, value: value, to: &memory)
    recordCount += 1
    if memory.count + entries.count * MemoryLayout<Entry>.stride >= memoryBytesMax { try spill() }
  }

  /// Ends adding. Complexity: O(records x log) in all.
  func finish() throws(FileError) -> SortedRecords {
    if runs.isEmpty {
      return SortedRecords(cursors: [SortCursor(memory: sortedMemory())])
    }
    if !entries.isEmpty { try spill() }
    return SortedRecords(cursors: runs.map { SortCursor(run: $0) })
  }

  private func sortedMemory() -> [UInt8] {
    unsafe memory.withUnsafeBytes { all in
      entries.sort { unsafe Self.precedes($0, $1, all) }
    }
    var sorted: [UInt8] = []
    sorted.reserveCapacity(memory.count)
    for entry in entries { sorted += memory[entry.offset..<(entry.offset + SortRecord.size(memory, entry.offset))] }
    memory = []
    entries = []
    return sorted
  }

  private func spill() throws(FileError) {
    let bytes = sortedMemory()
    let file = try FileDescriptor.temporary(in: directory, purpose: "sort")
    try file.write(bytes)
    runs.append(SortedRun(file: file, byteCount: bytes.count))
    spilledRunCount += 1
    if runs.count >= runCountMax { try mergeRuns() }
  }

  private func mergeRuns() throws(FileError) {
    let merged = SortedRecords(cursors: runs.map { SortCursor(run: $0) })
    let file = try FileDescriptor.temporary(in: directory, purpose: "sort")
    var output: [UInt8] = []
    var byteCount = 0
    while let record = try merged.next() {
      SortRecord.append(key: record.key, value: record.value, to: &output)
      if output.count >= 1 << 20 {
        try file.write(output)
        byteCount += output.count
        output.removeAll(keepingCapacity: true)
      }
    }
    try file.write(output)
    runs = [SortedRun(file: file, byteCount: byteCount + output.count)]
  }

  private static func precedes(_ a: Entry, _ b: Entry, _ all: UnsafeRawBufferPointer) -> Bool {
    if a.prefix != b.prefix { return a.prefix < b.prefix }
    let aCount = unsafe Int(all.loadUnaligned(fromByteOffset: a.offset, as: UInt32.self))
    let bCount = unsafe Int(all.loadUnaligned(fromByteOffset: b.offset, as: UInt32.self))
    let aStart = a.offset + SortRecord.headerBytes
    let bStart = b.offset + SortRecord.headerBytes
    var index = 0
    while index < aCount && index < bCount {
      let x = unsafe all[aStart + index]
      let y = unsafe all[bStart + index]
      if x != y { return x < y }
      index += 1
    }
    return aCount != bCount ? aCount < bCount : a.offset < b.offset
  }
}

/// The first 8 bytes of a key as a number that sorts like them, padded with zeros.
private func keyPrefix(_ key: [UInt8]) -> UInt64 {
  var prefix: UInt64 = 0
  for index in 0..<8 { prefix = prefix << 8 | (index < key.count ? UInt64(key[index]) : 0) }
  return prefix
}

enum SortRecord {
  static let headerBytes = 8

  static func append(key: [UInt8], value: [UInt8], to bytes: inout [UInt8]) {
    for count in [UInt32(key.count), UInt32(value.count)] {
      for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
    }
    bytes += key
    bytes += value
  }

  static func length(_ bytes: [UInt8], _ offset: Int) -> Int {
    Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2]) << 16 | Int(bytes[offset + 3]) << 24
  }

  /// The bytes of the whole record at `offset`.
  static func size(_ bytes: [UInt8], _ offset: Int) -> Int {
    headerBytes + length(bytes, offset) + length(bytes, offset + 4)
  }
}

/// Sorted records in a file.
struct SortedRun {
  var file: FileDescriptor
  var byteCount: Int
}

/// Reads one run, a piece at a time.
final class SortCursor {
  private let run: SortedRun?
  private var buffer: [UInt8]
  private var start = 0
  private var fileOffset = 0
  private(set) var key: [UInt8] = []
  private(set) var prefix: UInt64 = 0
  private(set) var value: [UInt8] = []

  init(run: SortedRun) {
    self.run = run
    buffer = []
  }

  init(memory: [UInt8]) {
    run = nil
    buffer = memory
  }

  /// Reads the next record into `key` and `value`; false at the end.
  func advance() throws(FileError) -> Bool {
    guard try fill(SortRecord.headerBytes) else { return false }
    let size = SortRecord.size(buffer, start)
    guard try fill(size) else { return false }
    let keyStart = start + SortRecord.headerBytes
    let valueStart = keyStart + SortRecord.length(buffer, start)
    key = Array(buffer[keyStart..<valueStart])
    value = Array(buffer[valueStart..<(start + size)])
    prefix = keyPrefix(key)
    start += size
    return true
  }

  /// Makes at least `count` bytes available at `start`.
  private func fill(_ count: Int) throws(FileError) -> Bool {
    if buffer.count - start >= count { return true }
    guard let run, fileOffset < run.byteCount else { return false }
    buffer.removeFirst(start)
    start = 0
    let wanted = min(max(64 * 1024, count - buffer.count), run.byteCount - fileOffset)
    var piece = [UInt8](repeating: 0, count: wanted)
    let offset = fileOffset
    let got = try unsafe piece.withUnsafeMutableBufferPointer { (typed) throws(FileError) -> Int in
      try unsafe run.file.read(into: UnsafeMutableRawBufferPointer(typed), at: offset)
    }
    buffer += piece[0..<got]
    fileOffset += got
    if got == 0 { return false }
    return try buffer.count >= count ? true : fill(count)
  }
}

/// Merges sorted runs. Used by one thread.
final class SortedRecords {
  /// A binary heap: the smallest key is on top, among equal keys that of the earliest run.
  private var heap: [(cursor: SortCursor, run: Int)] = []
  private var waiting: [SortCursor]

  init(cursors: [SortCursor]) { waiting = cursors }

  func next() throws(FileError) -> (key: [UInt8], value: [UInt8])? {
    for (run, cursor) in waiting.enumerated() where try cursor.advance() {
      heap.append((cursor, run))
      siftUp(heap.count - 1)
    }
    waiting = []
    guard let top = heap.first else { return nil }
    let record = (top.cursor.key, top.cursor.value)
    if try !top.cursor.advance() {
      heap.swapAt(0, heap.count - 1)
      heap.removeLast()
    }
    siftDown()
    return record
  }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    let (x, y) = (heap[a], heap[b])
    if x.cursor.prefix != y.cursor.prefix { return x.cursor.prefix < y.cursor.prefix }
    if x.cursor.key != y.cursor.key { return x.cursor.key.lexicographicallyPrecedes(y.cursor.key) }
    return x.run < y.run
  }

  private func siftUp(_ from: Int) {
    var index = from
    while index > 0, precedes(index, (index - 1) / 2) {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private func siftDown() {
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count && precedes(child, least) { least = child }
      if least == index { return }
      heap.swapAt(index, least)
      index = least
    }
  }
}
