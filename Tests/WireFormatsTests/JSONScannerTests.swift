import TestSupport
import Testing
import WireFormats

func reason(_ text: [UInt8]) -> JSONError.Reason? {
  do throws(JSONError) {
    unsafe try text.withUnsafeBufferPointer { (all) throws(JSONError) in
      unsafe try JSONScanner.validate(UnsafeRawBufferPointer(all))
    }
    return nil
  } catch { return error.reason }
}

func reason(_ text: String) -> JSONError.Reason? { reason(Array(text.utf8)) }

@Suite("JSON scanner") struct JSONScannerTests {
  @Test(arguments: [
    "{}", "[]", "null", "true", "false", "0", "-0", "12", "-1.5e+10", "1E400", "1e-400", "0.0", "\"\"", "\"a\"",
    " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "[[],{},[{}]]", "\"\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\"", "\"\\ud800x\"",
    "\"\\uD83D\\uDE00\"", "\"é€😀\"", "\"\u{7f}\"", "\"\u{2028}\"", "{\"\":1,\"\":2}", "123456789012345678901234567890",
    "[1,[2,[3,[4]]],5]", "\"abcdefgh\"", "\"abcdefg\\n\"", "\"12345678é\"", "[\"\",\"\"]", "\"\u{10ffff}\"",
  ])
  func `what RFC 8259 allows is taken`(_ text: String) {
    #expect(reason(text) == nil)
  }

  @Test(
    arguments: [
      ("", .unexpectedEnd), (" ", .unexpectedEnd), ("{", .unexpectedEnd), ("[", .unexpectedEnd),
      ("\"", .unexpectedEnd), ("\"\\", .unexpectedEnd), ("\"\\u12", .unexpectedEnd), ("{\"a\"", .unexpectedEnd),
      ("{\"a\":", .unexpectedEnd), ("{\"a\":1", .unexpectedEnd), ("[1,", .unexpectedEnd), ("tru", .unexpectedEnd),
      ("{,}", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte), ("[1,]", .unexpectedByte), ("[,1]", .unexpectedByte),
      ("{'a':1}", .unexpectedByte), ("{a:1}", .unexpectedByte), ("{\"a\" 1}", .unexpectedByte),
      ("{1:2}", .unexpectedByte), ("[1}", .unexpectedByte), ("{\"a\":1]", .unexpectedByte), ("]", .unexpectedByte),
      ("[1 2]", .unexpectedByte), ("NaN", .unexpectedByte), ("Infinity", .unexpectedByte), ("+1", .unexpectedByte),
      (".5", .unexpectedByte), ("\u{feff}{}", .unexpectedByte), ("\u{a0}1", .unexpectedByte),
      ("//c\n1", .unexpectedByte),
      ("-", .invalidNumber), ("01", .invalidNumber), ("1.", .invalidNumber), ("1.e5", .invalidNumber),
      ("1e", .invalidNumber), ("1e+", .invalidNumber), ("-Infinity", .invalidNumber), ("1.2.3", .invalidNumber),
      ("-01", .invalidNumber), ("[1.]", .invalidNumber), ("trux", .invalidLiteral), ("nulL", .invalidLiteral),
      ("True", .unexpectedByte), ("nan", .invalidLiteral), ("\"\\x\"", .invalidEscape), ("\"\\u12g4\"", .invalidEscape),
      ("\"\\U1234\"", .invalidEscape), ("\"\n\"", .controlCharacter), ("\"a\tb\"", .controlCharacter),
      ("\"abcdefgh\u{0}\"", .controlCharacter), ("\"\u{1f}\"", .controlCharacter), ("{} {}", .bytesBehindValue),
      ("1 2", .bytesBehindValue), ("{}x", .bytesBehindValue), ("{}//c", .bytesBehindValue), ("0x10", .bytesBehindValue),
      ("[]]", .bytesBehindValue), ("truefalse", .bytesBehindValue), ("1a", .bytesBehindValue),
      ("\u{0}", .unexpectedByte),
      ("{}\u{0}", .bytesBehindValue), ("[1\u{b}]", .unexpectedByte), ("{\"a\":1 \"b\":2}", .unexpectedByte),
    ] as [(String, JSONError.Reason)])
  func `what RFC 8259 forbids is refused`(_ text: String, _ expected: JSONError.Reason) {
    #expect(reason(text) == expected)
  }

  @Test(
    arguments: [
      [0x80], [0xc3], [0xc3, 0x28], [0xc0, 0xaf], [0xc1, 0xbf], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf],
      [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0x80], [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xfe], [0xe2, 0x82], [0xf0, 0x9f, 0x98],
    ] as [[UInt8]])
  func `bytes that are no UTF-8 are refused wherever they stand`(_ bad: [UInt8]) {
    for padding in 0...9 {
      let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + bad + [0x22]
      #expect(reason(text) == .invalidUTF8)
      #expect(UTF8Validation.isValid(text) == false)
      #expect(reason([0x7b] + text + Array(":1}".utf8)) == .invalidUTF8)
    }
  }

  @Test(
    arguments: [
      [0xc2, 0x80], [0xe0, 0xa0, 0x80], [0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80], [0xf0, 0x90, 0x80, 0x80],
      [0xf4, 0x8f, 0xbf, 0xbf],
    ] as [[UInt8]])
  func `the first and last character of each length are taken`(_ good: [UInt8]) {
    for padding in 0...9 {
      let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + good + [0x22]
      #expect(reason(text) == nil)
      #expect(UTF8Validation.isValid(text))
    }
  }

  @Test func `every prefix of a document is refused and none traps`() {
    let document =
      #" {"a":[1,-2.5e+3,{"b":"x\u00e9\n\"y"},[],{}],"é":null,"t":true,"f":false,"s":"long enough for words"}"#
    let bytes = Array(document.utf8)
    #expect(reason(bytes) == nil)
    for length in 0..<bytes.count { #expect(reason(Array(bytes[0..<length])) != nil, "prefix of \(length)") }
  }

  @Test func `a hundred thousand levels are checked without recursion`() {
    let depth = 100_000
    let open = [UInt8](repeating: 0x5b, count: depth)
    let close = [UInt8](repeating: 0x5d, count: depth)
    #expect(reason(open + close) == nil)
    #expect(reason(open + close.dropLast()) == .unexpectedEnd)
    #expect(reason(open + close + [0x5d]) == .bytesBehindValue)
    let objects = [UInt8](String(repeating: "{\"a\":[", count: depth).utf8)
    #expect(reason(objects + [0x31] + [UInt8](String(repeating: "]}", count: depth).utf8)) == nil)
    #expect(reason(objects + [0x31] + [UInt8](String(repeating: "}]", count: depth).utf8)) == .unexpectedByte)
  }

  @Test(arguments: [1, 2, 63, 64, 65, 127, 128, 129, 200])
  func `the kind of every open container is kept at any depth`(_ depth: Int) {
    var random = SeededRandom(seed: UInt64(depth))
    let kinds = (0..<depth).map { _ in random.oneIn(2) }
    let open = kinds.map { $0 ? "{\"k\":" : "[" }.joined()
    let close = kinds.reversed().map { $0 ? "}" : "]" }
    #expect(reason(open + "0" + close.joined()) == nil)
    for wrong in close.indices {
      var broken = close
      broken[wrong] = broken[wrong] == "}" ? "]" : "}"
      #expect(reason(open + "0" + broken.joined()) == .unexpectedByte)
    }
  }

  @Test func `changed bytes never trap, and what is taken is taken by the tree as well`() {
    let seeds = [
      #"{"id":"é\ud83d\ude00","n":[1,2.5,-3e4,{"x":null}],"t":true,"s":"plain text of some length"}"#,
      #"[[[{"a":{"b":{"c":[0,"",false]}}}]]]"#,
    ]
    var random = SeededRandom(seed: 20_260_131)
    for seed in seeds {
      for _ in 0..<6000 {
        var bytes = Array(seed.utf8)
        for _ in 0...Int.random(in: 0..<4, using: &random) { mutate(&bytes, &random) }
        let taken = reason(bytes) == nil
        let tree = try? JSONValue.parse(bytes)
        #expect((tree != nil) == taken, "\(bytes)")
        if let tree { #expect((try? JSONValue.parse(tree.encoded)) == tree) }
      }
    }
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    let alphabet = Array("{}[]\",:\\u0123456789eE+-.truefalsn \n\u{1}é".utf8) + [0xff, 0xc0, 0x80]
    let place = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0 where !bytes.isEmpty: bytes.remove(at: place)
    case 1 where !bytes.isEmpty: bytes[place] = alphabet.randomElement(using: &random)!
    case 2 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 3 where !bytes.isEmpty: bytes.removeSubrange(place...)
    default: bytes.insert(alphabet.randomElement(using: &random)!, at: place)
    }
  }

  @Test func `members are given in order with their places`() throws {
    let text = Array(#"{ "a" : 1 , "b\n":"x\"y", "c":{"d":[]},"e":[1] }"#.utf8)
    var found: [(String, JSONSlice.Kind, Bool, String)] = []
    try unsafe text.withUnsafeBytes { bytes in
      var scanner = unsafe JSONScanner(bytes)
      #expect(try scanner.beginObject())
      repeat {
        let key = try scanner.key()
        let value = try scanner.value()
        found.append(
          (
            String(decoding: text[key.content], as: UTF8.self), value.kind, value.isEscaped,
            String(decoding: text[value.range], as: UTF8.self)
          ))
      } while try scanner.hasNextMember()
      try scanner.finish()
    }
    #expect(found.map(\.0) == ["a", #"b\n"#, "c", "e"])
    #expect(found.map(\.1) == [.number, .string, .object, .array])
    #expect(found.map(\.2) == [false, true, false, false])
    #expect(found.map(\.3) == ["1", #""x\"y""#, #"{"d":[]}"#, "[1]"])
  }

  @Test(arguments: [("{\"a\":1}", true), ("{\n\"a\":1}", false), ("{\"a\":\r1}", false), ("{\"a\":\"\\n\"}", true)])
  func `a value over several lines is known as such`(_ text: String, _ onOneLine: Bool) throws {
    let bytes = Array(text.utf8)
    let found = try unsafe bytes.withUnsafeBytes { unsafe try JSONScanner.scan($0) }
    #expect(found.onOneLine == onOneLine)
  }

  /// Long strings are looked at 32 and 64 bytes at a time, what is near the end in smaller steps.
  @Test func `a string's end and what must not be in it are found at every place, however much follows`() {
    let inside: [(bytes: [UInt8], expected: JSONError.Reason?)] = [
      ([], nil), ([0x5c, 0x22], nil), ([0xc3, 0xa9], nil), ([0x1f], .controlCharacter), ([0x80], .invalidUTF8),
      ([0x5c, 0x78], .invalidEscape),
    ]
    for length in 0...140 {
      let plain = [UInt8](repeating: 0x61, count: length)
      for after in [0, 1, 15, 16, 17, 31, 33, 62, 63, 64, 65, 80] {
        let behind = Array(",1".utf8) + [UInt8](repeating: 0x20, count: after) + Array("]".utf8)
        for (bytes, expected) in inside {
          let text = Array("[\"".utf8) + plain + bytes + Array("z\"".utf8) + behind
          #expect(reason(text) == expected, "\(length) bytes before \(bytes), \(after) behind the string")
          let object = Array("{\"".utf8) + plain + bytes + Array("z\":[1".utf8) + behind + Array("}".utf8)
          #expect(reason(object) == expected, "a name of \(length) bytes before \(bytes), \(after) behind it")
        }
      }
      #expect(reason(Array("[\"".utf8) + plain) == .unexpectedEnd)
    }
  }

  @Test func `a number's digits end at every place, however much follows`() {
    for digits in 1...40 {
      for after in 0...20 {
        let blanks = String(repeating: " ", count: after)
        let many = String(repeating: "7", count: digits)
        #expect(reason("[\(many)\(blanks)]") == nil)
        #expect(reason("[\(many).\(many)e\(many)\(blanks)]") == nil)
        #expect(reason("[\(many).\(blanks)]") == .invalidNumber)
        #expect(reason("[\(many)x\(blanks)]") == .unexpectedByte)
        #expect(reason("[-\(many).\(many)") == .unexpectedEnd)
      }
    }
  }
}
