import WireFormats

/// Remembers, while a metadata object is read, where the values of the wanted keys are.
///
/// `@safe`: the memory is allocated in `init` and freed in `deinit` only; slots are bits of 64-bit masks.
@safe final class MetadataScan {
  private let exact: UnsafeMutablePointer<JSONSlice>
  private let loose: UnsafeMutablePointer<JSONSlice>
  // Not checked at run time, as in `EventLineReader`, whose part this is.
  @exclusivity(unchecked) private var seenExact: UInt64 = 0
  @exclusivity(unchecked) private var seenLoose: UInt64 = 0

  init() {
    let nothing = JSONSlice(kind: .null, isEscaped: false, start: 0, end: 0)
    unsafe exact = .allocate(capacity: KeyTable.keyCountMax)
    unsafe exact.initialize(repeating: nothing, count: KeyTable.keyCountMax)
    unsafe loose = .allocate(capacity: KeyTable.keyCountMax)
    unsafe loose.initialize(repeating: nothing, count: KeyTable.keyCountMax)
  }

  deinit {
    unsafe exact.deallocate()
    unsafe loose.deallocate()
  }

  @inline(__always) func reset() {
    unsafe seenExact = 0
    unsafe seenLoose = 0
  }

  /// Of equal names the last counts; of different loose spellings the last that is not null.
  @inline(__always) func note(_ match: KeyMatch, _ value: JSONSlice) {
    var bits = match.exact
    unsafe seenExact |= bits
    while bits != 0 {
      unsafe exact[bits.trailingZeroBitCount] = value
      bits &= bits - 1
    }
    bits = match.loose
    while bits != 0 {
      let slot = bits.trailingZeroBitCount
      if unsafe value.kind != .null || seenLoose & (1 << UInt64(slot)) == 0 { unsafe loose[slot] = value }
      bits &= bits - 1
    }
    unsafe seenLoose |= match.loose
  }

  /// Reads the members of an object that starts at the scanner's position, noting what is wanted.
  func read(
    _ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, _ keys: KeyTable, _ scratch: inout [UInt8]
  ) throws(JSONError) {
    reset()
    guard try scanner.beginObject() else { return }
    repeat {
      let key = try scanner.key()
      let value = try scanner.value()
      let match = unsafe key.isEscaped ? matchEscaped(key, bytes, keys, &scratch) : keys.match(content(key, bytes))
      if !match.isNone { note(match, value) }
    } while try scanner.hasNextMember()
  }

  private func matchEscaped(
    _ key: JSONSlice, _ bytes: UnsafeRawBufferPointer, _ keys: KeyTable, _ scratch: inout [UInt8]
  ) -> KeyMatch {
    let start = scratch.count
    defer { scratch.removeSubrange(start...) }
    guard unsafe JSONText.unescape(content(key, bytes), into: &scratch) else { return KeyMatch() }
    return unsafe scratch.withUnsafeBytes { unsafe keys.match(UnsafeRawBufferPointer(rebasing: $0[start...])) }
  }

  @inline(__always) private func content(_ slice: JSONSlice, _ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer
  {
    unsafe UnsafeRawBufferPointer(rebasing: bytes[slice.content])
  }

  /// The values of a role's keys in the order in which they count; `accept` says whether one is there at all.
  @inline(__always) func first<R, E: Error>(
    _ mask: UInt64, _ accept: (JSONSlice) throws(E) -> R?
  ) throws(E) -> R? {
    var bits = unsafe seenExact & mask
    while bits != 0 {
      if let result = unsafe try accept(exact[bits.trailingZeroBitCount]) { return result }
      bits &= bits - 1
    }
    bits = unsafe seenLoose & mask
    while bits != 0 {
      if let result = unsafe try accept(loose[bits.trailingZeroBitCount]) { return result }
      bits &= bits - 1
    }
    return nil
  }

  /// True if one of the keys was there at all, whatever its value.
  @inline(__always) func sawAny(_ mask: UInt64) -> Bool { unsafe (seenExact | seenLoose) & mask != 0 }
}
