/// Whether `part` equals the bytes of `all` from `start`.
///
/// - Precondition: `all` has so many bytes behind `start`.
@inline(__always) func sameBytes(_ part: UnsafeRawBufferPointer, _ all: UnsafeRawBufferPointer, _ start: Int) -> Bool {
  let count = part.count
  @inline(__always) func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Word.Type) -> Bool {
    unsafe part.loadUnaligned(fromByteOffset: offset, as: Word.self)
      == all.loadUnaligned(fromByteOffset: start + offset, as: Word.self)
  }
  // The last word may overlap what is compared already: no turns for single bytes.
  if count >= 8 {
    var offset = 0
    while offset + 8 < count {
      if !isSame(offset, UInt64.self) { return false }
      offset += 8
    }
    return isSame(count - 8, UInt64.self)
  }
  if count >= 4 { return isSame(0, UInt32.self) && isSame(count - 4, UInt32.self) }
  if count == 0 { return true }
  return isSame(0, UInt8.self) && isSame(count / 2, UInt8.self) && isSame(count - 1, UInt8.self)
}

/// Whether two buffers hold the same bytes.
@inline(__always) func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  unsafe a.count == b.count && sameBytes(a, b, 0)
}
