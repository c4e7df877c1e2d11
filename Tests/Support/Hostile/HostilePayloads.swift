/// Bytes of data and metadata that are hard on readers and codecs, made from a seed.
///
/// Payloads of one shape come again and again with other values, since a codec learns shapes and values as it goes.
public struct HostilePayloads {
  public enum Kind: CaseIterable, Sendable {
    /// One of a few shapes with scalars of every sort in its places.
    case shaped
    case deepArrays, deepObjects, deepMixed
    case duplicateKeys, manyKeys, longKey, longString
    case scalar, numbers, oddSpace, emptyContainers
    /// No JSON, or none that can stand in a line.
    case empty, binary, invalidUTF8, controlBytes, almostJSON, lineBreaks
  }

  var values: HostileValues
  /// Levels of the deep kinds.
  public var depth = 600
  /// Members of `manyKeys`.
  public var keyCount = 200
  /// Characters of `longKey` and `longString`.
  public var length = 5000

  public init(seed: UInt64) { values = HostileValues(seed: seed) }

  /// Any kind, shaped ones in half of the cases.
  public mutating func any() -> [UInt8] {
    let kinds = Kind.allCases
    return payload(values.random.oneIn(2) ? .shaped : kinds[values.below(kinds.count)])
  }

  /// Any kind that is JSON on one line.
  public mutating func anyJSON() -> [UInt8] {
    let kinds: [Kind] = [
      .deepArrays, .deepObjects, .deepMixed, .duplicateKeys, .manyKeys, .longKey, .longString, .scalar, .numbers,
      .oddSpace, .emptyContainers,
    ]
    return payload(values.random.oneIn(2) ? .shaped : kinds[values.below(kinds.count)])
  }

  public mutating func payload(_ kind: Kind) -> [UInt8] {
    switch kind {
    case .shaped: Array(shaped().utf8)
    case .deepArrays: nested(open: ["["], close: ["]"])
    case .deepObjects: nested(open: ["{\"a\":"], close: ["}"])
    case .deepMixed: nested(open: ["[", "{\"\":", "[0,", "{\"a\":1,\"a\":"], close: ["]", "}", "]", "}"])
    case .duplicateKeys: members(6 + values.below(6)) { _, values in values.pick(["a", "a", "b", "\\u0061", ""]) }
    case .manyKeys: members(keyCount) { index, _ in "key\(index)" }
    case .longKey:
      Array("{\"\(values.text(length))\":\(values.scalar()),\"\(values.text(70_000 % max(1, length * 20)))\":1}".utf8)
    case .longString: Array("{\"text\":\"\(values.text(length))\",\"more\":\"\(values.text(length / 3))\"}".utf8)
    case .scalar: Array(values.scalar().utf8)
    case .numbers: Array("[\((0..<20).map { _ in values.number() }.joined(separator: ","))]".utf8)
    case .oddSpace: spaced()
    case .emptyContainers: Array(values.pick(["{}", "[]", "[[],{},[{}]]", "{\"a\":{},\"b\":[]}", "[{},{},{}]"]).utf8)
    case .empty: []
    case .binary: values.random.bytes(1 + values.below(300))
    case .invalidUTF8: invalidUTF8()
    case .controlBytes: (0..<(1 + values.below(60))).map { _ in UInt8(values.below(4)) }
    case .almostJSON: almostJSON()
    case .lineBreaks: Array("{\n  \"a\" : \(values.scalar()),\r\n\t\"b\" : [ 1 ,\n 2 ]\n}".utf8)
    }
  }

  /// A JSON text of `count` bytes, to the byte.
  public mutating func large(_ count: Int) -> [UInt8] {
    let words = (0..<64).map { _ in Array(values.text(50).utf8) }
    var bytes = Array("{\"a\":\"".utf8)
    bytes.reserveCapacity(count + 64)
    while bytes.count < count - 2 { bytes += words[values.below(64)] }
    bytes.removeLast(bytes.count - (count - 2))
    return bytes + Array("\"}".utf8)
  }

  // MARK: Shapes

  private mutating func shaped() -> String {
    let shape = values.below(12)
    var place = 0
    // The shape is decided by its number alone, its values by chance: a shape comes back with values of other sorts.
    func member(_ key: String, _ values: inout HostileValues) -> String {
      place += 1
      return "\"\(key)\":\(values.scalar())"
    }
    switch shape {
    case 0...4:
      let names = ["id", "orderId", "created", "amount", "customer", "status", "count", "hash"].suffix(3 + shape)
      return "{" + names.map { member($0, &values) }.joined(separator: ",") + "}"
    case 5:
      return
        "{\"order\":{\(member("id", &values)),\(member("at", &values))},\"items\":[{\(member("id", &values)),"
        + "\(member("amount", &values))},{\(member("id", &values))}]}"
    case 6: return "{ " + member("id", &values) + " , " + member("at", &values) + "\t}"
    case 7: return "[\(values.scalar()),\(values.scalar()),{\(member("id", &values))},[\(values.scalar())]]"
    case 8:
      return "{" + member("a\\u0062", &values) + "," + member("é", &values) + "," + member("\\u0001x", &values) + "}"
    case 9: return "{\"s\":\"\(values.content())\"}"
    case 10: return "{\"n\":\(values.number()),\"m\":\(values.number())}"
    default:
      return "{" + (0..<(1 + values.below(5))).map { member("k\($0)", &values) }.joined(separator: ",") + "}"
    }
  }

  private mutating func nested(open: [String], close: [String]) -> [UInt8] {
    let levels = max(1, depth - values.below(3))
    var bytes: [UInt8] = []
    for level in 0..<levels { bytes += Array(open[level % open.count].utf8) }
    bytes += Array(values.scalar().utf8)
    for level in (0..<levels).reversed() { bytes += Array(close[level % close.count].utf8) }
    return bytes
  }

  private mutating func members(_ count: Int, _ key: (Int, inout HostileValues) -> String) -> [UInt8] {
    var bytes: [UInt8] = [0x7b]
    for index in 0..<count {
      if index > 0 { bytes.append(0x2c) }
      bytes += Array("\"\(key(index, &values))\":\(values.scalar())".utf8)
    }
    return bytes + [0x7d]
  }

  private mutating func spaced() -> [UInt8] {
    func space(_ values: inout HostileValues) -> String { values.pick(["", " ", "\t", "  ", " \t "]) }
    var text = "{"
    for index in 0..<(1 + values.below(4)) {
      if index > 0 { text += space(&values) + "," }
      text += space(&values) + "\"k\(index)\"" + space(&values) + ":" + space(&values) + values.scalar()
    }
    return Array((text + space(&values) + "}").utf8)
  }

  // MARK: No JSON

  private mutating func invalidUTF8() -> [UInt8] {
    let wrong: [[UInt8]] = [
      [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x80], [0x80],
      [0xf8, 0x88, 0x80, 0x80],
    ]
    return Array("{\"a\":\"".utf8) + wrong[values.below(wrong.count)] + Array("\",\"b\":1}".utf8)
  }

  /// A JSON text with a byte gone, changed, doubled or put behind.
  private mutating func almostJSON() -> [UInt8] {
    var bytes = Array(shaped().utf8)
    let place = values.below(bytes.count)
    switch values.below(6) {
    case 0: bytes.removeLast(bytes.count - place)
    case 1: bytes[place] = UInt8(values.below(32))
    case 2: bytes.remove(at: place)
    case 3: bytes.append(contentsOf: Array(values.pick(["}", ",", " x", "\0", "\u{feff}"]).utf8))
    case 4: bytes.insert(UInt8(values.below(3)), at: place)
    default: bytes.insert(contentsOf: [0xef, 0xbb, 0xbf], at: 0)
    }
    return bytes
  }
}
