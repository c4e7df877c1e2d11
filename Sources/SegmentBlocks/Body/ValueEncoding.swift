import EventModel
import WideScan

extension EncodedBlock {
  @inline(__always) mutating func putKind(_ list: UInt32, _ path: Int, _ kind: UInt8) {
    let place = unsafe tables.pointee.lists.place(list, kind: kind)
    unsafe (columns.start + path).pointee.kinds.append(place)
  }

  /// A number of a value of this kind.
  @inline(__always) mutating func putNumber(_ kind: UInt8, _ value: UInt64) {
    unsafe (numbers.start + Int(kind)).pointee.append(varint: value)
  }

  @inline(__always) mutating func putSigned(_ kind: UInt8, _ value: Int64) { unsafe putNumber(kind, zigzag(value)) }

  @inline(__always) mutating func putRaw(_ uuid: UUIDWords) { unsafe uuidBytes.append(uuid) }

  /// The content of a JSON string, or a stream's name.
  @inline(__always) mutating func putString(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    let column = unsafe column(path)
    let record = unsafe tables.pointee.lists[list]
    if let place = unsafe record.constant(p, count, BytePointer(tables.pointee.arena.start), readable: fields.end) {
      unsafe record.hits &+= 1
      unsafe column.pointee.kinds.append(place)
      return
    }
    let last = unsafe column.pointee.last
    if unsafe last.run == run, Int(last.length) == count,
      unsafe equalBytes(runArena.start + last.start, p, count, readable: fields.end)
    {
      // What is the event's service is that in all events, and not now this and now as the last one.
      let isService =
        unsafe count > 0 && record.has(ValueKind.equalsService) && fields.service.count == count
        && ByteScan.isSame(fields.service.baseAddress!.assumingMemoryBound(to: UInt8.self), p, count)
      return unsafe putKind(list, path, isService ? ValueKind.equalsService : ValueKind.same)
    }
    unsafe lastBefore = last
    if count < BodyLimit.rememberedBytes {
      unsafe column.pointee.last = unsafe LastValue(run: run, length: UInt32(count), start: runArena.count)
      unsafe runArena.append(p, count, readable: fields.end)
    }
    unsafe putNewString(list, path, p, count)
  }

  @inline(never) private mutating func putNewString(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    if count >= 36, count < 36 + BodyLimit.prefixBytes, let uuid = unsafe dashedUUID(p + count - 36) {
      if count == 36 { return unsafe putUUID(list, path, uuid) }
      if unsafe putPrefixedUUID(list, path, p, count - 36, uuid) { return }
    }
    if unsafe putFieldText(list, path, p, count) || putTime(list, path, p, count) { return }
    if count >= 16, count <= 128, count & 1 == 0, unsafe putHex(list, path, p, count) { return }
    if count == 36, let uuid = unsafe upperUUID(p) { return unsafe putUUIDForm(list, path, uuid, 0) }
    if count <= BodyLimit.listedBytes { return unsafe putShort(list, path, p, count) }
    if count <= BodyLimit.entryBytes, let entry = unsafe stringEntry(p, count, hashBytes(p, count)) {
      unsafe putKind(list, path, ValueKind.entry)
      return unsafe putNumber(ValueKind.entry, UInt64(entry))
    }
    unsafe putWordsOrText(list, path, p, count)
  }

  @inline(__always) mutating func putText(
    _ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int, _ kind: UInt8
  ) {
    unsafe putKind(list, path, kind)
    unsafe putNumber(kind, UInt64(count))
    unsafe texts.append(p, count, readable: fields.end)
  }

  private mutating func putUUID(_ list: UInt32, _ path: Int, _ uuid: UUIDWords) {
    if unsafe fields.flags.contains(.correlationIsUUID), unsafe fields.correlation == uuid {
      return unsafe putKind(list, path, ValueKind.equalsCorrelation)
    }
    if unsafe fields.flags.contains(.causeIsUUID), unsafe fields.cause == uuid {
      return unsafe putKind(list, path, ValueKind.equalsCause)
    }
    if unsafe fields.flags.contains(.idIsUUID), unsafe fields.id == uuid {
      return unsafe putKind(list, path, ValueKind.equalsID)
    }
    if let back = unsafe findRunUUID(uuid) {
      unsafe putKind(list, path, ValueKind.uuidBack)
      unsafe putNumber(ValueKind.uuidBack, UInt64(back))
    } else if let entry = unsafe uuidEntry(uuid) {
      unsafe putKind(list, path, ValueKind.uuidEntry)
      unsafe putNumber(ValueKind.uuidEntry, UInt64(entry))
    } else {
      unsafe putKind(list, path, ValueKind.uuidNew)
      unsafe putRaw(uuid)
    }
  }

  /// The segment's entry of a UUID that is new in this run; it gets one when it is seen in a second run.
  @inline(__always) private mutating func uuidEntry(_ uuid: UUIDWords) -> Int? {
    guard case .again(let word, let entry) = unsafe tables.pointee.uuids.look(uuid.hash) else { return nil }
    if entry > 0 { return unsafe tables.pointee.uuidEntries[entry - 1] == uuid ? entry - 1 : nil }
    let count = unsafe tables.pointee.uuidEntries.count
    guard unsafe count < tables.pointee.uuids.entriesMax else { return nil }
    unsafe tables.pointee.uuids.setEntry(word, count)
    unsafe tables.pointee.uuidEntries.append(uuid)
    return count
  }

  /// False if there is no more room for the prefix.
  private mutating func putPrefixedUUID(
    _ list: UInt32, _ path: Int, _ p: BytePointer, _ prefixCount: Int, _ uuid: UUIDWords
  ) -> Bool {
    guard let prefix = unsafe prefixSlot(list, p, prefixCount) else { return false }
    if let back = unsafe findRunUUID(uuid) {
      unsafe putPrefixKind(list, path, prefix, ValueKind.prefixUUIDBack)
      unsafe putNumber(ValueKind.prefixUUIDBack, UInt64(back))
    } else if let entry = unsafe uuidEntry(uuid) {
      unsafe putPrefixKind(list, path, prefix, ValueKind.prefixUUIDEntry)
      unsafe putNumber(ValueKind.prefixUUIDEntry, UInt64(entry))
    } else {
      unsafe putPrefixKind(list, path, prefix, ValueKind.prefixUUIDNew)
      unsafe putRaw(uuid)
    }
    return true
  }

  enum Prefix {
    /// One of the list's own.
    case own(Int)
    case any(Int)
  }

  @inline(__always) private mutating func prefixSlot(_ list: UInt32, _ p: BytePointer, _ count: Int) -> Prefix? {
    let record = unsafe tables.pointee.lists[list]
    let known = unsafe record.prefixCount
    for index in 0..<known {
      let number = unsafe record.prefixNumber(index)
      if unsafe Int(tables.pointee.prefixes.lengths[number]) == count,
        unsafe equalBytes(
          tables.pointee.arena.start + Int(tables.pointee.prefixes.starts[number]), p, count, readable: fields.end)
      {
        return .own(index)
      }
    }
    guard let number = unsafe tables.pointee.prefixes.find(p, count, &tables.pointee.arena) else { return nil }
    if unsafe known < ListRecord.prefixesMax {
      unsafe record.setPrefix(known, number)
      unsafe record.prefixCount = known + 1
      return .own(known)
    }
    return .any(number)
  }

  @inline(__always) private mutating func putPrefixKind(_ list: UInt32, _ path: Int, _ prefix: Prefix, _ kind: UInt8) {
    switch prefix {
    case .own(let index):
      let record = unsafe tables.pointee.lists[list]
      var place = unsafe record.prefixPlace(index, kind)
      if place == 0 {
        let number = unsafe UInt32(record.prefixNumber(index))
        place = unsafe (tables.pointee.lists.add(list, kind: kind, operand: number) ?? 0) + 1
        unsafe record.setPrefixPlace(index, kind, place)
      }
      unsafe (columns.start + path).pointee.kinds.append(place - 1)
    case .any(let number):
      unsafe putKind(list, path, kind + ValueKind.anyPrefix)
      unsafe putNumber(kind, UInt64(number))
    }
  }

  private mutating func putUUIDForm(_ list: UInt32, _ path: Int, _ uuid: UUIDWords, _ form: UInt64) {
    let kind = ValueKind.uuidForm
    unsafe putKind(list, path, kind)
    unsafe putNumber(kind, form)
    if let back = unsafe findRunUUID(uuid) {
      unsafe putNumber(kind, UInt64(back) + 2)
    } else if let entry = unsafe uuidEntry(uuid) {
      unsafe putNumber(kind, 1)
      unsafe putNumber(kind, UInt64(entry))
    } else {
      unsafe putNumber(kind, 0)
      unsafe putRaw(uuid)
    }
  }

  /// Values that equal a text of the event.
  @inline(__always) private mutating func putFieldText(
    _ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int
  ) -> Bool {
    @inline(__always) func equals(_ field: UnsafeRawBufferPointer) -> Bool {
      unsafe field.count == count && count > 0
        && ByteScan.isSame(field.baseAddress!.assumingMemoryBound(to: UInt8.self), p, count)
    }
    let kind: UInt8
    if unsafe equals(fields.service) {
      kind = ValueKind.equalsService
    } else if unsafe equals(fields.handler) {
      kind = ValueKind.equalsHandler
    } else if unsafe !fields.flags.contains(.correlationIsUUID), unsafe equals(fields.correlationText) {
      kind = ValueKind.equalsCorrelation
    } else if unsafe !fields.flags.contains(.causeIsUUID), unsafe equals(fields.causeText) {
      kind = ValueKind.equalsCause
    } else if unsafe !fields.flags.contains(.idIsUUID), unsafe equals(fields.idText) {
      kind = ValueKind.equalsID
    } else if unsafe equals(fields.schemaVersion) {
      kind = ValueKind.equalsSchemaVersion
    } else {
      return false
    }
    unsafe putKind(list, path, kind)
    return true
  }

  @inline(__always) private mutating func putHex(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) -> Bool {
    var bad: UInt64 = 0
    _ = unsafe hexWord(load64(p), &bad)
    var upper = false
    if bad != 0 {
      bad = 0
      _ = unsafe hexWord(loweredHexWord(load64(p)), &bad)
      if bad != 0 { return false }
      upper = true
    }
    return unsafe putHexDigits(list, path, p, count, upper)
  }

  @inline(never) private mutating func putHexDigits(
    _ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int, _ upper: Bool
  ) -> Bool {
    if count == 32 {
      guard let uuid = unsafe plainUUID(p, upper: upper) else { return false }
      unsafe putUUIDForm(list, path, uuid, upper ? 2 : 1)
      return true
    }
    var bad: UInt64 = 0
    let start = unsafe hexBytes.count
    unsafe hexBytes.reserve(count / 2 + 8)
    var offset = 0
    while offset < count {
      // The last word may overlap the one before: it writes the same bytes again.
      let at = min(offset, count - 8)
      let word = unsafe load64(p + at)
      let value = hexWord(upper ? loweredHexWord(word) : word, &bad)
      unsafe UnsafeMutableRawPointer(hexBytes.start + start + at / 2).storeBytes(
        of: UInt32(truncatingIfNeeded: value).bigEndian, as: UInt32.self)
      offset += 8
    }
    if bad != 0 { return false }
    unsafe hexBytes.count = start + count / 2
    unsafe putKind(list, path, upper ? ValueKind.hexUpper : ValueKind.hexLower)
    unsafe putNumber(upper ? ValueKind.hexUpper : ValueKind.hexLower, UInt64(count / 2))
    return true
  }

  /// A short string: of the list, a prefix with digits, of the segment's dictionary, or itself.
  private mutating func putShort(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    let hash = unsafe hashBytes(p, count)
    let record = unsafe tables.pointee.lists[list]
    let listed = unsafe record.listedCount
    if unsafe listed < BodyLimit.listedPerList || record.misses <= 200 || record.hits >= record.misses {
      let fingerprint = UInt32(truncatingIfNeeded: hash)
      for index in 0..<listed
      where unsafe record.fingerprint(index) == fingerprint && record.length(index) == count
        && equalBytes(tables.pointee.arena.start + record.start(index), p, count, readable: fields.end)
      {
        unsafe record.hits &+= 1
        unsafe (columns.start + path).pointee.kinds.append(record.place(index))
        return
      }
      unsafe record.misses &+= 1
      if listed < BodyLimit.listedPerList {
        let start = unsafe tables.pointee.arena.count
        unsafe tables.pointee.arena.append(p, count)
        let kind = listed == 0 ? ValueKind.constant : ValueKind.listed
        if let place = unsafe tables.pointee.lists.add(list, kind: kind, operand: UInt32(listed)) {
          unsafe record.setListed(listed, fingerprint: fingerprint, start: start, length: count, place: place)
          unsafe record.listedCount = listed + 1
          // Decoders do not remember constants.
          if listed == 0 { unsafe (columns.start + path).pointee.last = unsafe lastBefore }
          unsafe (columns.start + path).pointee.kinds.append(place)
          return
        }
      }
    }
    if count >= 6, unsafe putPrefixedNumber(list, path, p, count) { return }
    if let entry = unsafe stringEntry(p, count, hash) {
      unsafe putKind(list, path, ValueKind.entry)
      return unsafe putNumber(ValueKind.entry, UInt64(entry))
    }
    unsafe putWordsOrText(list, path, p, count)
  }

  @inline(__always) private mutating func stringEntry(_ p: BytePointer, _ count: Int, _ hash: UInt64) -> Int? {
    let isLong = count > BodyLimit.listedBytes
    let sight = unsafe isLong ? tables.pointee.longStrings.look(hash) : tables.pointee.strings.look(hash)
    guard case .again(let word, let entry) = sight else { return nil }
    let starts = unsafe tables.pointee.stringStarts
    if entry > 0 {
      let start = unsafe Int(starts[entry - 1])
      let length = unsafe Int(starts[entry]) - start
      return unsafe length == count
        && equalBytes(tables.pointee.entryBytes.start + start, p, count, readable: fields.end) ? entry - 1 : nil
    }
    let number = unsafe starts.count - 1
    guard unsafe number < tables.pointee.strings.entriesMax,
      unsafe tables.pointee.entryBytes.count + count <= tables.pointee.limits.stringBytes
    else { return nil }
    if isLong {
      unsafe tables.pointee.longStrings.setEntry(word, number)
    } else {
      unsafe tables.pointee.strings.setEntry(word, number)
    }
    unsafe tables.pointee.entryBytes.append(p, count)
    unsafe tables.pointee.stringStarts.append(UInt32(tables.pointee.entryBytes.count))
    return number
  }

  private mutating func putPrefixedNumber(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) -> Bool {
    var start = count
    while start > 0, unsafe isDigit(p[start - 1]), count - start < 15 { start -= 1 }
    if count - start >= 5, start < 24 {
      guard let prefix = unsafe prefixSlot(list, p, start) else { return false }
      var value: UInt64 = 0
      for index in start..<count { value = unsafe value * 10 + UInt64(p[index] & 15) }
      unsafe putPrefixKind(list, path, prefix, ValueKind.prefixDigits)
      unsafe putNumber(ValueKind.prefixDigits, UInt64(count - start))
      unsafe putNumber(ValueKind.prefixDigits, value)
      return true
    }
    guard count >= 12, count - 8 < 24 else { return false }
    start = count - 8
    var bad: UInt64 = 0
    let value = unsafe hexWord(load64(p + start), &bad)
    if unsafe bad != 0 || isDigit(p[start - 1]) { return false }
    guard let prefix = unsafe prefixSlot(list, p, start) else { return false }
    unsafe putPrefixKind(list, path, prefix, ValueKind.prefixHex)
    unsafe hexBytes.reserve(4)
    unsafe UnsafeMutableRawPointer(hexBytes.start + hexBytes.count).storeBytes(
      of: UInt32(truncatingIfNeeded: value).bigEndian, as: UInt32.self)
    unsafe hexBytes.count += 4
    return true
  }
}
