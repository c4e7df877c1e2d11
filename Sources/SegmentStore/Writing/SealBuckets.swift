import EventModel
import Platform
import SegmentBlocks
import TraceStore

/// Frames by bucket, in blocks of memory; what is beyond a budget goes to a file without a name, the buckets that are
/// read last first. Buckets are filled in any order, and read and let go from the first to the last.
///
/// Memory: `bytesMax`, one block that is filled, one that is read back, and a few words a block. A block that was let go
/// is used again. `@safe`: blocks are allocated in `makeRoom` and freed when a bucket is let go, or in `deinit`; every
/// range is checked against the bytes that were added.
@safe final class SealBuckets {
  static let blockBytes = 32 * 1024
  /// Of a bucket with more bytes in the file, blocks are read one by one.
  static let loadedBytesMax = 8 << 20

  @unsafe private struct Block {
    /// Nil while the block is in the file.
    var memory: UnsafeMutableRawPointer?
    var byteCount = 0
    /// `blockBytes`, but for a frame that is longer.
    var capacity: Int
    var fileOffset = 0
  }

  @unsafe private struct Bucket {
    var blocks: ContiguousArray<Block> = unsafe []
    /// The first blocks are in the file, so many of them.
    var spilledCount = 0
  }

  private let directory: String
  private let files: any FileSystem
  private let bytesMax: Int
  private var buckets: ContiguousArray<Bucket>
  private var free: ContiguousArray<UnsafeMutableRawPointer> = unsafe []
  private var heldBytes = 0
  private var file: (any OpenFile)?
  private(set) var spilledBytes = 0
  private var fileEnd = 0
  /// Of blocks in the file that were read: written again, so that the file stays small and its pages in the cache.
  private var freeOffsets: ContiguousArray<Int> = []
  /// The block that was read back last, of the open bucket.
  private var readBlock = -1
  private var content = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var open = -1

  /// - Parameter bytesMax: of blocks in memory.
  init(count: Int, bytesMax: Int, directory: String, files: any FileSystem) {
    self.directory = directory
    self.files = files
    self.bytesMax = bytesMax
    unsafe buckets = unsafe ContiguousArray(repeating: Bucket(), count: count)
  }

  deinit {
    for bucket in unsafe buckets.indices { close(bucket) }
    while let memory = unsafe free.popLast() { unsafe memory.deallocate() }
    unsafe content.deallocate()
    file?.close()
  }

  // MARK: Filling

  /// - Returns: where the frame is, for `frame(at:)`: the number of the block, and 16 bits of its first byte.
  func add(_ frame: UnsafeRawBufferPointer, bucket: Int) throws(StoreError) -> UInt32 {
    var last = unsafe buckets[bucket].blocks.count - 1
    let isHeld = unsafe last >= buckets[bucket].spilledCount
    if unsafe !isHeld || buckets[bucket].blocks[last].capacity - buckets[bucket].blocks[last].byteCount < frame.count {
      let block = try unsafe makeRoom(frame.count)
      unsafe buckets[bucket].blocks.append(block)
      last += 1
    }
    let start = unsafe buckets[bucket].blocks[last].byteCount
    unsafe (buckets[bucket].blocks[last].memory! + start).copyMemory(
      from: frame.baseAddress!, byteCount: frame.count)
    unsafe buckets[bucket].blocks[last].byteCount = start + frame.count
    return UInt32(last) << 16 | UInt32(start)
  }

  private func makeRoom(_ count: Int) throws(StoreError) -> Block {
    let capacity = max(count, Self.blockBytes)
    while heldBytes > 0, heldBytes + capacity > bytesMax { try spillOne() }
    heldBytes += capacity
    if capacity == Self.blockBytes, let memory = unsafe free.popLast() {
      return unsafe Block(memory: memory, capacity: capacity)
    }
    return unsafe Block(memory: .allocate(byteCount: capacity, alignment: 8), capacity: capacity)
  }

  /// The first block in memory of the last bucket that has more than the one that is filled; where none has, the
  /// fullest.
  private func spillOne() throws(StoreError) {
    var victim = -1
    var most = -1
    for bucket in unsafe buckets.indices.reversed() {
      let spilled = unsafe buckets[bucket].spilledCount
      let held = unsafe buckets[bucket].blocks.count - spilled
      if held == 0 { continue }
      if held > 1 {
        victim = bucket
        break
      }
      let byteCount = unsafe buckets[bucket].blocks[spilled].byteCount
      if byteCount > most {
        most = byteCount
        victim = bucket
      }
    }
    precondition(victim >= 0, "what is held is in some bucket")
    let file = try spillFile()
    let number = unsafe buckets[victim].spilledCount
    let block = unsafe buckets[victim].blocks[number]
    guard let memory = unsafe block.memory else { return }
    let isUsual = unsafe block.capacity == Self.blockBytes
    let offset = (isUsual ? freeOffsets.last : nil) ?? fileEnd
    try mapping { () throws(FileError) in
      try unsafe file.write(UnsafeRawBufferPointer(start: memory, count: block.byteCount), at: offset)
    }
    if offset == fileEnd { unsafe fileEnd += block.capacity } else { freeOffsets.removeLast() }
    unsafe buckets[victim].blocks[number].fileOffset = offset
    unsafe buckets[victim].blocks[number].memory = nil
    unsafe buckets[victim].spilledCount += 1
    unsafe spilledBytes += block.byteCount
    unsafe release(memory, block.capacity)
  }

  private func spillFile() throws(StoreError) -> any OpenFile {
    if let file { return file }
    let made = try mapping { () throws(FileError) in try files.temporaryFile(in: directory, purpose: "seal") }
    file = made
    return made
  }

  private func release(_ memory: UnsafeMutableRawPointer, _ capacity: Int) {
    heldBytes -= capacity
    if capacity == Self.blockBytes { unsafe free.append(memory) } else { unsafe memory.deallocate() }
  }

  // MARK: Reading

  /// Opens a bucket, after those before it; they are let go. Nothing is added to it after this.
  func open(_ bucket: Int) throws(StoreError) {
    letGo(before: bucket)
    let spilled = unsafe buckets[bucket].spilledCount
    var byteCount = 0
    for number in 0..<spilled { unsafe byteCount += buckets[bucket].blocks[number].capacity }
    if byteCount > Self.loadedBytesMax { return }
    for number in 0..<spilled {
      let block = unsafe buckets[bucket].blocks[number]
      let memory: UnsafeMutableRawPointer
      if unsafe block.capacity == Self.blockBytes {
        unsafe memory = unsafe free.popLast() ?? .allocate(byteCount: Self.blockBytes, alignment: 8)
      } else {
        unsafe memory = .allocate(byteCount: block.capacity, alignment: 8)
      }
      // Held from now on, whatever becomes of the reading.
      unsafe heldBytes += block.capacity
      unsafe buckets[bucket].blocks[number].memory = memory
      unsafe buckets[bucket].spilledCount = 0
      try unsafe read(block, into: memory)
      if unsafe block.capacity == Self.blockBytes { unsafe freeOffsets.append(block.fileOffset) }
    }
  }

  /// Frees the memory of the buckets before this one, which were read.
  func letGo(before bucket: Int) {
    while open < bucket {
      if open >= 0 { close(open) }
      open += 1
    }
    readBlock = -1
  }

  private func close(_ bucket: Int) {
    for number in unsafe buckets[bucket].blocks.indices {
      let block = unsafe buckets[bucket].blocks[number]
      if let memory = unsafe block.memory {
        unsafe release(memory, block.capacity)
      } else if unsafe block.capacity == Self.blockBytes {
        unsafe freeOffsets.append(block.fileOffset)
      }
    }
    unsafe buckets[bucket] = Bucket()
  }

  /// The bytes of the open bucket from a frame's first byte on, at least all of it; valid until the next call.
  @inline(__always) func frame(at location: UInt32) throws(StoreError) -> UnsafeRawBufferPointer {
    let number = Int(location >> 16)
    let block = unsafe buckets[open].blocks[number]
    let start = Int(location & 0xffff)
    precondition(unsafe start < block.byteCount, "the frame was added to this bucket")
    let memory: UnsafeRawPointer
    if let held = unsafe block.memory {
      unsafe memory = UnsafeRawPointer(held)
    } else {
      unsafe memory = try readBack(number, block)
    }
    return unsafe UnsafeRawBufferPointer(start: memory + start, count: block.byteCount - start)
  }

  /// Asks for the bytes of a frame that is going to be wanted, where they are in memory: 768 of them, which most frames
  /// do not exceed by much, and the processor sees by then where the rest is read.
  @inline(__always) func prefetch(at location: UInt32) {
    let block = unsafe buckets[open].blocks[Int(location >> 16)]
    let start = Int(location & 0xffff)
    guard let memory = unsafe block.memory, unsafe start < block.byteCount else { return }
    unsafe Prefetch.lines(UnsafeRawPointer(memory) + start, block.byteCount - start, max: 12)
  }

  @inline(never) private func readBack(_ number: Int, _ block: Block) throws(StoreError) -> UnsafeRawPointer {
    if readBlock != number {
      readBlock = -1
      if unsafe content.count < block.byteCount {
        unsafe content.deallocate()
        unsafe content = .allocate(byteCount: max(block.byteCount, Self.blockBytes), alignment: 8)
      }
      try unsafe read(block, into: content.baseAddress!)
      readBlock = number
    }
    return unsafe UnsafeRawPointer(content.baseAddress!)
  }

  private func read(_ block: Block, into memory: UnsafeMutableRawPointer) throws(StoreError) {
    guard let file else { return }
    var done = 0
    while unsafe done < block.byteCount {
      let room = unsafe UnsafeMutableRawBufferPointer(start: memory + done, count: block.byteCount - done)
      let place = unsafe block.fileOffset + done
      let got = try mapping { () throws(FileError) in try unsafe file.read(into: room, at: place) }
      if got == 0 {
        throw StoreError(.inputOutput, "\(file.path) ends before its end", hint: "sealing is tried again")
      }
      done += got
    }
  }
}
