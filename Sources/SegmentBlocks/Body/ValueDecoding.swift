import EventModel

extension DecodedBlock {
  /// Appends one value, and remembers it where its encoder did.
  @inline(__always) mutating func putValue(
    path: Int, list: UInt32, isString: Bool, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    let symbol = unsafe try next(path: path, list: list)
    if symbol.kind == ValueKind.constant {
      return unsafe try copyKnown(dictionary.pointee.bytes + Int(symbol.start), Int(symbol.length), &sink)
    }
    let start = sink.count
    if symbol.kind == ValueKind.same {
      let last = unsafe lastValues.start + path
      guard unsafe last.pointee.run == run else { throw .invalid }
      guard unsafe last.pointee.form == .made else { return unsafe try putRemembered(path, &sink) }
      guard unsafe last.pointee.first + last.pointee.length <= start else { throw .invalid }
      return unsafe try copyAgain(last.pointee.first, last.pointee.length, &sink)
    }
    unsafe try put(symbol, context, &sink)
    if isString { unsafe rememberMade(path, start, sink.count - start) }
  }

  /// The value that stands in the sink is the last one of its key.
  @inline(__always) mutating func rememberMade(_ path: Int, _ start: Int, _ count: Int) {
    unsafe remember(path, .made, length: count, first: start)
  }

  /// Longer values are not remembered, as their encoder did not.
  @inline(__always) mutating func remember(
    _ path: Int, _ form: RememberedValue.Form, kind: UInt8 = 0, length: Int = 0, first: Int, second: Int64 = 0
  ) {
    if length >= BodyLimit.rememberedBytes { return }
    unsafe lastValues[path] = unsafe RememberedValue(
      run: run, form: form, kind: kind, length: length, first: first, second: second)
  }

  /// Makes a value that was passed over before.
  @inline(never) private mutating func putRemembered(_ path: Int, _ sink: inout ByteSink) throws(BodyError) {
    let last = unsafe lastValues[path]
    let start = sink.count
    switch last.form {
    case .known: unsafe try copyKnown(dictionary.pointee.bytes + last.first, last.length, &sink)
    case .text: unsafe try copy(textStart + last.first, last.length, &sink)
    case .uuid:
      let uuid = UUIDWords(high: UInt64(bitPattern: Int64(last.first)), low: UInt64(bitPattern: last.second))
      unsafe try putDashed(uuid, &sink)
    case .time: unsafe try putTime(last.kind, form: 0, difference: Int64(last.first), last.second, &sink)
    case .made: throw .invalid
    }
    unsafe rememberMade(path, start, sink.count - start)
  }

  @inline(never) mutating func put(
    _ symbol: Symbol, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    let numbers = unsafe self.numbers.start + Int(symbol.kind)
    switch symbol.kind {
    case ValueKind.listed:
      unsafe try copyKnown(dictionary.pointee.bytes + Int(symbol.start), Int(symbol.length), &sink)
    case ValueKind.equalsID...ValueKind.equalsSchemaVersion:
      unsafe try putField(symbol.kind, context, &sink)
    case ValueKind.uuidNew, ValueKind.uuidBack, ValueKind.uuidEntry:
      unsafe try putDashed(try uuid(symbol.kind - ValueKind.uuidNew, numbers), &sink)
    case ValueKind.uuidForm:
      unsafe try putForm(numbers, &sink)
    case ValueKind.prefixUUIDNew...(ValueKind.prefixHex + ValueKind.anyPrefix):
      unsafe try putPrefixed(symbol, &sink)
    case ValueKind.decimal0...ValueKind.decimal6:
      unsafe try putDecimal(Int(symbol.kind - ValueKind.decimal0), numbers.pointee.signed(), &sink)
    case ValueKind.time0...ValueKind.timeForm:
      unsafe try putTime(symbol.kind, numbers, context.created, &sink)
    case ValueKind.epoch3...ValueKind.epoch9:
      unsafe try putEpoch(symbol.kind, numbers, context.created, &sink)
    case ValueKind.hexLower, ValueKind.hexUpper:
      unsafe try putHex(
        numbers.pointee.number(max: hexBytes.remaining), symbol.kind == ValueKind.hexUpper, &sink)
    case ValueKind.entry:
      let starts = unsafe dictionary.pointee.entryStarts
      let number = unsafe try numbers.pointee.number(max: BodyLimit.strings)
      guard unsafe number + 1 < starts.count else { throw .invalid }
      let length = unsafe Int(starts[number + 1] - starts[number])
      unsafe try copyKnown(dictionary.pointee.bytes + Int(starts[number]), length, &sink)
    case ValueKind.text, ValueKind.textOther:
      let count = unsafe try numbers.pointee.number(max: texts.remaining)
      unsafe try copy(texts.take(count), count, &sink)
    case ValueKind.words: unsafe try putWords(numbers, &sink)
    case ValueKind.yes: unsafe try putWord(0x6575_7274, 4, &sink)
    case ValueKind.no: unsafe try putWord(0x65_736c_6166, 5, &sink)
    case ValueKind.null: unsafe try putWord(0x6c6c_756e, 4, &sink)
    default: throw .unknown(symbol.kind)
    }
  }

  private mutating func putWord(_ word: UInt64, _ count: Int, _ sink: inout ByteSink) throws(BodyError) {
    let o = unsafe try room(count, &sink)
    for index in 0..<count { unsafe o[index] = UInt8(truncatingIfNeeded: word >> UInt64(8 * index)) }
    sink.count += count
  }

  private mutating func putField(
    _ kind: UInt8, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    let field: UnsafeRawBufferPointer
    var isUUID = false
    switch kind {
    case ValueKind.equalsID: unsafe (field, isUUID) = unsafe (context.id, context.flags.contains(.idIsUUID))
    case ValueKind.equalsCorrelation:
      unsafe (field, isUUID) = unsafe (context.correlation, context.flags.contains(.correlationIsUUID))
    case ValueKind.equalsCause: unsafe (field, isUUID) = unsafe (context.cause, context.flags.contains(.causeIsUUID))
    case ValueKind.equalsService: unsafe field = unsafe context.service
    case ValueKind.equalsHandler: unsafe field = unsafe context.handler
    default: unsafe field = unsafe context.schemaVersion
    }
    guard let base = unsafe field.baseAddress?.assumingMemoryBound(to: UInt8.self) else { throw .invalid }
    guard isUUID else { return unsafe try copy(base, field.count, &sink) }
    guard field.count == 16 else { throw .invalid }
    unsafe try putDashed(words(base), &sink)
  }

  /// 0 new, 1 so many ago, 2 an entry of the segment's.
  @inline(__always) mutating func uuid(
    _ way: UInt8, _ numbers: UnsafeMutablePointer<ByteReader>
  ) throws(BodyError) -> UUIDWords {
    if way == 0 { return unsafe try newUUID() }
    let number = unsafe try numbers.pointee.number(max: BodyLimit.uuids)
    return unsafe way == 1 ? try earlierUUID(number) : try knownUUID(number)
  }

  mutating func newUUID() throws(BodyError) -> UUIDWords {
    let uuid = unsafe try words(uuidBytes.take(16))
    unsafe add(uuid)
    return uuid
  }

  private mutating func earlierUUID(_ back: Int) throws(BodyError) -> UUIDWords {
    guard unsafe back < runUUIDs.count else { throw .invalid }
    return unsafe runUUIDs[runUUIDs.count - 1 - back]
  }

  mutating func knownUUID(_ number: Int) throws(BodyError) -> UUIDWords {
    guard unsafe number < dictionary.pointee.uuidCount else { throw .invalid }
    let uuid = unsafe dictionary.pointee.uuid(number)
    unsafe add(uuid)
    return uuid
  }

  @inline(__always) private func putDashed(
    _ uuid: UUIDWords, _ sink: inout ByteSink, upper: Bool = false
  ) throws(BodyError) {
    let o = unsafe try room(36, &sink)
    let a = unsafe hexText(uuid.high >> 32, upper)
    let b = unsafe hexText(uuid.high & 0xffff_ffff, upper)
    let c = unsafe hexText(uuid.low >> 32, upper)
    let d = unsafe hexText(uuid.low & 0xffff_ffff, upper)
    unsafe store(a, o)
    unsafe o[8] = 0x2d
    unsafe store(b, o + 9)
    unsafe store(b >> 32, o + 14)
    unsafe o[13] = 0x2d
    unsafe o[18] = 0x2d
    unsafe store(c, o + 19)
    unsafe store(c >> 32, o + 24)
    unsafe o[23] = 0x2d
    unsafe store(d, o + 28)
    sink.count += 36
  }

  /// Eight digits, the first in the lowest byte.
  @inline(__always) private func hexText(_ value: UInt64, _ upper: Bool) -> UInt64 {
    // The bytes in the order of the text, then one nibble a byte.
    var x = UInt64(UInt32(truncatingIfNeeded: value).byteSwapped)
    x = (x | x << 16) & 0x0000_ffff_0000_ffff
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff
    x = ((x >> 4) & 0x000f_000f_000f_000f) | (x & 0x000f_000f_000f_000f) << 8
    let letters = ((x &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
    return x &+ 0x3030_3030_3030_3030 &+ letters &* (upper ? 0x07 : 0x27)
  }

  @inline(__always) private func store(_ word: UInt64, _ o: UnsafeMutablePointer<UInt8>) {
    unsafe UnsafeMutableRawPointer(o).storeBytes(of: word.littleEndian, as: UInt64.self)
  }

  private mutating func putForm(
    _ numbers: UnsafeMutablePointer<ByteReader>, _ sink: inout ByteSink
  ) throws(BodyError) {
    let form = unsafe try numbers.pointee.number(max: 2)
    let way = unsafe try numbers.pointee.number(max: BodyLimit.runUUIDs + 2)
    let uuid: UUIDWords
    switch way {
    case 0: uuid = unsafe try newUUID()
    case 1: uuid = unsafe try knownUUID(numbers.pointee.number(max: BodyLimit.uuids))
    default: uuid = unsafe try earlierUUID(way - 2)
    }
    if form == 0 { return unsafe try putDashed(uuid, &sink, upper: true) }
    let o = unsafe try room(32, &sink)
    unsafe store(hexText(uuid.high >> 32, form == 2), o)
    unsafe store(hexText(uuid.high & 0xffff_ffff, form == 2), o + 8)
    unsafe store(hexText(uuid.low >> 32, form == 2), o + 16)
    unsafe store(hexText(uuid.low & 0xffff_ffff, form == 2), o + 24)
    sink.count += 32
  }

  private mutating func putPrefixed(
    _ symbol: Symbol, _ sink: inout ByteSink
  ) throws(BodyError) {
    var kind = symbol.kind
    var start = Int(symbol.start)
    var length = Int(symbol.length)
    if kind > ValueKind.prefixHex { kind -= ValueKind.anyPrefix }
    let numbers = unsafe self.numbers.start + Int(kind)
    if kind != symbol.kind {
      let starts = unsafe dictionary.pointee.prefixStarts
      let number = unsafe try numbers.pointee.number(max: BodyLimit.prefixes)
      guard unsafe number + 1 < starts.count else { throw .invalid }
      start = unsafe Int(starts[number])
      length = unsafe Int(starts[number + 1]) - start
    }
    unsafe try copyKnown(dictionary.pointee.bytes + start, length, &sink)
    switch kind {
    case ValueKind.prefixDigits:
      let digits = unsafe try numbers.pointee.number(max: 19)
      let value = unsafe try numbers.pointee.varint()
      unsafe TimeText.writeDigits(value, digits, try room(digits, &sink))
      sink.count += digits
    case ValueKind.prefixHex:
      unsafe try putHex(4, false, &sink)
    default:
      unsafe try putDashed(uuid(kind - ValueKind.prefixUUIDNew, numbers), &sink)
    }
  }

  private mutating func putHex(_ count: Int, _ upper: Bool, _ sink: inout ByteSink) throws(BodyError) {
    let from = unsafe try hexBytes.take(count)
    let o = unsafe try room(count * 2, &sink)
    let letter: UInt8 = upper ? 0x37 : 0x57
    for index in 0..<count {
      let high = unsafe from[index] >> 4
      let low = unsafe from[index] & 15
      unsafe o[2 * index] = high &+ (high < 10 ? 0x30 : letter)
      unsafe o[2 * index + 1] = low &+ (low < 10 ? 0x30 : letter)
    }
    sink.count += count * 2
  }

  @inline(__always) private mutating func putDecimal(
    _ scale: Int, _ value: Int64, _ sink: inout ByteSink
  ) throws(BodyError) {
    var o = unsafe space(32, &sink)
    let start = unsafe o
    if value < 0 {
      unsafe o[0] = 0x2d
      unsafe o += 1
    }
    let size = value.magnitude
    let unit = UInt64(TimeText.power(scale))
    let whole = scale == 0 ? size : size / unit
    var digits = 1
    var bound: UInt64 = 10
    while digits < 20, whole >= bound {
      digits += 1
      if digits == 20 { break }
      bound &*= 10
    }
    unsafe TimeText.writeDigits(whole, digits, o)
    unsafe o += digits
    if scale > 0 {
      unsafe o[0] = 0x2e
      unsafe TimeText.writeDigits(size - whole * unit, scale, o + 1)
      unsafe o += scale + 1
    }
    unsafe try commit(o - start, &sink)
  }

  private mutating func putTime(
    _ kind: UInt8, _ numbers: UnsafeMutablePointer<ByteReader>, _ created: Int64, _ sink: inout ByteSink
  ) throws(BodyError) {
    let form = unsafe kind == ValueKind.timeForm ? try numbers.pointee.number(max: 69) : 0
    unsafe try putTime(kind, form: form, difference: numbers.pointee.signed(), created, &sink)
  }

  /// - Parameter form: 0 for all kinds but `timeForm`.
  private mutating func putTime(
    _ kind: UInt8, form: Int, difference: Int64, _ created: Int64, _ sink: inout ByteSink
  ) throws(BodyError) {
    if kind == ValueKind.midnight || kind == ValueKind.date {
      let days = TimeText.floorDivide(created, 86_400_000_000_000) &+ difference
      return unsafe try writeDay(days, kind == ValueKind.midnight, &sink)
    }
    let digits: Int
    switch kind {
    case ValueKind.time0: digits = 0
    case ValueKind.time3: digits = 3
    case ValueKind.time6: digits = 6
    case ValueKind.time7: digits = 7
    case ValueKind.time9: digits = 9
    default: digits = form % 10
    }
    let unit = TimeText.power(digits)
    let value = TimeText.floorDivide(created, TimeText.power(9 - digits)) &- difference
    let seconds = TimeText.floorDivide(value, unit)
    let days = TimeText.floorDivide(seconds, 86_400)
    guard TimeText.dayRange.contains(days) else { throw .invalid }
    let o = unsafe space(40, &sink)
    unsafe TimeText.writeDate(days, o)
    unsafe o[10] = form >= 40 ? 0x20 : 0x54
    unsafe TimeText.writeClock(Int(seconds - days * 86_400), o + 11)
    var end = 19
    if digits > 0 {
      unsafe o[19] = 0x2e
      unsafe TimeText.writeDigits(TimeText.fraction(value, seconds, unit), digits, o + 20)
      end = 20 + digits
    }
    switch form % 40 / 10 {
    case 0:
      unsafe o[end] = 0x5a
      end += 1
    case 1:
      unsafe store(0x3030_3a30_302b, o + end)
      end += 6
    default: break
    }
    unsafe try commit(end, &sink)
  }

  private mutating func writeDay(_ days: Int64, _ midnight: Bool, _ sink: inout ByteSink) throws(BodyError) {
    guard TimeText.dayRange.contains(days) else { throw .invalid }
    let o = unsafe space(24, &sink)
    unsafe TimeText.writeDate(days, o)
    if midnight {
      unsafe o[10] = 0x54
      unsafe TimeText.writeClock(0, o + 11)
      unsafe o[19] = 0x5a
    }
    unsafe try commit(midnight ? 20 : 10, &sink)
  }

  private mutating func putEpoch(
    _ kind: UInt8, _ numbers: UnsafeMutablePointer<ByteReader>, _ created: Int64, _ sink: inout ByteSink
  ) throws(BodyError) {
    let exponent = kind == ValueKind.epoch3 ? 3 : kind == ValueKind.epoch0 ? 0 : kind == ValueKind.epoch6 ? 6 : 9
    let now = TimeText.floorDivide(created, TimeText.power(9 - exponent))
    unsafe try putDecimal(0, now &- numbers.pointee.signed(), &sink)
  }
}
