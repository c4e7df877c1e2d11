import EventModel
import Platform
import TraceStore

/// Frames that stand too far behind the first event of their trace to be found in the window: a file without a name,
/// in which the traces of one stretch of the hot file have their frames in one bucket.
///
/// Memory: a block for each bucket while writing; one bucket, up to `loadedBytesMax`, while reading. `@safe`: the memory
/// is allocated in `init` and freed in `deinit`; every range is checked against the bytes that were added.
@safe final class SealSpill {
  static let blockBytes = 64 * 1024
  static let bucketCount = 64
  /// Of a larger bucket (one huge trace) frames are read one by one.
  static let loadedBytesMax = 8 << 20

  private struct Bucket {
    var byteCount = 0
    /// Where in the file each whole block was written.
    var blocks: ContiguousArray<Int> = []
  }

  private let file: any OpenFile
  private let pending: UnsafeMutableRawPointer
  private var buckets = ContiguousArray(repeating: Bucket(), count: SealSpill.bucketCount)
  private var fileBytes = 0
  private var loaded = -1
  private var content: UnsafeMutableRawBufferPointer
  private(set) var byteCount = 0

  init(directory: String, files: any FileSystem) throws(StoreError) {
    file = try mapping { () throws(FileError) in try files.temporaryFile(in: directory, purpose: "seal") }
    unsafe pending = .allocate(byteCount: Self.blockBytes * Self.bucketCount, alignment: 8)
    unsafe content = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  deinit {
    file.close()
    unsafe pending.deallocate()
    unsafe content.deallocate()
  }

  /// Adds a frame to the end of a bucket.
  ///
  /// - Returns: where in the bucket it begins.
  func add(_ frame: UnsafeRawBufferPointer, bucket: Int) throws(StoreError) -> Int {
    let start = buckets[bucket].byteCount
    var taken = 0
    while taken < frame.count {
      let filled = buckets[bucket].byteCount % Self.blockBytes
      let count = min(Self.blockBytes - filled, frame.count - taken)
      let block = unsafe pending + bucket * Self.blockBytes
      unsafe (block + filled).copyMemory(from: frame.baseAddress! + taken, byteCount: count)
      taken += count
      buckets[bucket].byteCount += count
      if filled + count == Self.blockBytes { try flush(bucket, Self.blockBytes) }
    }
    byteCount += frame.count
    return start
  }

  private func flush(_ bucket: Int, _ count: Int) throws(StoreError) {
    let block = unsafe UnsafeRawBufferPointer(start: pending + bucket * Self.blockBytes, count: count)
    try mapping { () throws(FileError) in try unsafe file.write(block, at: fileBytes) }
    buckets[bucket].blocks.append(fileBytes)
    fileBytes += count
  }

  /// Nothing is added after this.
  func finishWriting() throws(StoreError) {
    for bucket in buckets.indices {
      let rest = buckets[bucket].byteCount % Self.blockBytes
      if rest > 0 { try flush(bucket, rest) }
    }
  }

  /// The bytes of a bucket from `offset` on, at least one frame of them; valid until the next call.
  func frames(bucket: Int, from offset: Int) throws(StoreError) -> UnsafeRawBufferPointer {
    let total = buckets[bucket].byteCount
    precondition(offset >= 0 && offset < total, "the frame was added to this bucket")
    if total <= Self.loadedBytesMax {
      if loaded != bucket {
        try read(bucket, 0..<total)
        loaded = bucket
      }
      return unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(content)[offset..<total])
    }
    loaded = -1
    try read(bucket, offset..<min(offset + Self.blockBytes, total))
    let length = unsafe Int(content.loadUnaligned(as: UInt32.self).littleEndian)
    if length > Self.blockBytes { try read(bucket, offset..<min(offset + length, total)) }
    return unsafe UnsafeRawBufferPointer(
      rebasing: UnsafeRawBufferPointer(content)[0..<min(content.count, total - offset)])
  }

  /// Fills `content` with these bytes of a bucket.
  private func read(_ bucket: Int, _ range: Range<Int>) throws(StoreError) {
    if unsafe content.count < range.count {
      unsafe content.deallocate()
      unsafe content = .allocate(byteCount: max(range.count, 1 << 20), alignment: 8)
    }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let start = offset % Self.blockBytes
      let count = min(Self.blockBytes - start, range.upperBound - offset)
      let place = buckets[bucket].blocks[offset / Self.blockBytes] + start
      let from = offset - range.lowerBound
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: content[from..<(from + count)])
      let got = try mapping { () throws(FileError) in try unsafe file.read(into: room, at: place) }
      if got == 0 {
        throw StoreError(.inputOutput, "\(file.path) ends before its end", hint: "sealing is tried again")
      }
      offset += got
    }
  }
}
