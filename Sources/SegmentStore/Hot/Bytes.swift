import WideScan

/// Whether `part` equals the bytes of `all` from `start`.
///
/// - Precondition: `all` has so many bytes behind `start`.
@inline(__always) func sameBytes(_ part: UnsafeRawBufferPointer, _ all: UnsafeRawBufferPointer, _ start: Int) -> Bool {
  assert(start >= 0 && start + part.count <= all.count)
  guard let one = part.baseAddress, let other = all.baseAddress else { return part.count == 0 }
  return unsafe ByteScan.isSame(one, other + start, part.count)
}

/// Whether two buffers hold the same bytes.
@inline(__always) func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  unsafe a.count == b.count && sameBytes(a, b, 0)
}
