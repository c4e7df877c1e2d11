/// Whether `part` equals the bytes of `all` from `start`.
///
/// - Precondition: `all` has so many bytes behind `start`.
@inline(__always) func sameBytes(_ part: UnsafeRawBufferPointer, _ all: UnsafeRawBufferPointer, _ start: Int) -> Bool {
  var offset = 0
  let count = part.count
  while offset + 8 <= count {
    let a = unsafe part.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    if unsafe a != all.loadUnaligned(fromByteOffset: start + offset, as: UInt64.self) { return false }
    offset += 8
  }
  while offset < count {
    if unsafe part[offset] != all[start + offset] { return false }
    offset += 1
  }
  return true
}

/// Whether two buffers hold the same bytes.
@inline(__always) func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  unsafe a.count == b.count && sameBytes(a, b, 0)
}
