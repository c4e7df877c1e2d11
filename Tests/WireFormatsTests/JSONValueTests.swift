import Testing
import WireFormats

@Suite("JSON values") struct JSONValueTests {
  @Test func `a document becomes a tree and text again`() throws {
    let text = #"{"a":[1,-2.50,true,false,null,"x\"é"],"b":{},"c":[],"big":123456789012345678901234567890}"#
    let value = try JSONValue.parse(text)
    #expect(String(decoding: value.encoded, as: UTF8.self) == text)
    #expect(value["a"]?[1]?.double == -2.5)
    #expect(value["a"]?[0]?.int == 1)
    #expect(value["a"]?[2]?.bool == true)
    #expect(value["a"]?[4]?.isNull == true)
    #expect(value["a"]?[5]?.string == "x\"é")
    #expect(value["big"]?.int == nil)
    #expect(value["b"]?.members?.isEmpty == true)
    #expect(value["missing"] == nil)
  }

  @Test func `of equal keys the last one counts and all are kept`() throws {
    let value = try JSONValue.parse(#"{"a":1,"a":2}"#)
    #expect(value["a"]?.int == 2)
    #expect(value.members?.count == 2)
  }

  @Test func `depth beyond the limit is refused`() throws {
    let deep = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    #expect(throws: Never.self) { try JSONValue.parse(deep) }
    #expect(throws: JSONError.self) { try JSONValue.parse("[" + deep + "]") }
    #expect(throws: JSONError.self) { try JSONValue.parse("[[1]]", depthMax: 1) }
  }

  @Test(arguments: [
    (#""\u0041""#, "A"), (#""\u00e9""#, "é"), (#""\u20ac""#, "€"), (#""\ud83d\ude00""#, "😀"),
    (#""\ud800x""#, "\u{fffd}x"), (#""\udc00""#, "\u{fffd}"), (#""\ud800\ud800""#, "\u{fffd}\u{fffd}"),
    (#""\b\f\n\r\t\/\\\"""#, "\u{8}\u{c}\n\r\t/\\\""), (#""a\u0000b""#, "a\u{0}b"),
  ])
  func `escapes are read, lone surrogates repaired`(_ text: String, _ expected: String) throws {
    #expect(try JSONValue.parse(text).string == expected)
  }

  @Test(arguments: [(#"\ud800x"#, false), (#"\udc00\ud800"#, false), (#"\ud83d\ude00"#, true), (#"a\u0000"#, true)])
  func `names with lone surrogates are told apart`(_ content: String, _ whole: Bool) {
    let bytes = Array(content.utf8)
    var text: [UInt8] = []
    #expect(unsafe bytes.withUnsafeBytes { unsafe JSONText.unescape($0, into: &text) } == whole)
  }
}

@Suite("JSON writer") struct JSONWriterTests {
  @Test func `commas and nesting are set by themselves`() {
    var json = JSONWriter()
    json.beginObject()
    json.member("a", 1)
    json.member("b", "x")
    json.key("c")
    json.beginArray()
    json.int(-5)
    json.beginObject()
    json.endObject()
    json.null()
    json.bool(true)
    json.raw(Array("[1]".utf8))
    json.endArray()
    json.member("d", Double?.none)
    json.member("e", String?.none)
    json.member("f", 0.1)
    json.member("g", false)
    json.endObject()
    let expected = #"{"a":1,"b":"x","c":[-5,{},null,true,[1]],"d":null,"e":null,"f":0.1,"g":false}"#
    #expect(String(decoding: json.bytes, as: UTF8.self) == expected)
  }

  @Test(arguments: [0.1, 1e300, -Double.leastNonzeroMagnitude, 1e16, 123456.789, 0, -0.0, 1e-7])
  func `doubles come back as they went`(_ number: Double) throws {
    var json = JSONWriter()
    json.double(number)
    #expect(try JSONValue.parse(json.bytes).double == number)
  }

  @Test(arguments: [Double.infinity, -.infinity, .nan])
  func `what JSON cannot say is null`(_ number: Double) {
    var json = JSONWriter()
    json.double(number)
    #expect(json.bytes == Array("null".utf8))
  }

  @Test func `every character comes back, and the text is ASCII-safe for lines`() throws {
    for scalar in (0...0x3000).compactMap(Unicode.Scalar.init) {
      let text = "12345\(scalar)6789012\(scalar)"
      var json = JSONWriter()
      json.string(text)
      #expect(try JSONValue.parse(json.bytes).string == text)
      #expect(!json.bytes.contains(0x0a) && !json.bytes.contains(0x0d))
    }
  }

  @Test func `a character that needs care is found wherever it stands, in texts of any length`() {
    for length in 0...40 {
      for place in 0...length {
        for special: UInt8 in [0x22, 0x5c, 0x0a, 0x1f, 0xff] {
          var text = (0..<length).map { UInt8(0x41 + $0) }
          if let place = text.firstIndex(of: 0x5c) { text[place] = 0x7a }
          if place < length { text[place] = special }
          var expected: [UInt8] = []
          unsafe text.withUnsafeBytes { unsafe JSONText.appendQuoted($0, to: &expected) }
          var json = JSONWriter()
          json.string(text)
          #expect(json.bytes == expected)
        }
      }
    }
  }

  @Test func `every value finds room, however full the memory is`() {
    let values: [(String, (inout JSONWriter) -> Void)] = [
      ("\"k\":", { $0.key(plain: "k") }),
      ("\"key\":", { $0.key("key") }),
      ("\"abcdefghijk\"", { $0.string("abcdefghijk") }),
      ("\"\\u001f\\u001f\\u001f\"", { $0.string("\u{1f}\u{1f}\u{1f}") }),
      ("\"plain\"", { json in unsafe json.string(plainCount: 5) { unsafe $0.copyBytes(from: Array("plain".utf8)) } }),
      ("-9223372036854775808", { $0.int(Int.min) }),
      ("18446744073709551615", { $0.int(UInt64.max) }),
      ("\"18446744073709551615\"", { $0.quoted(.max) }),
      ("-9223372036.854775808", { $0.decimal(billionths: .min) }),
      ("\"1677-09-21T00:12:43.145224192Z\"", { $0.time(nanoseconds: .min) }),
      ("-2.2250738585072014e-308", { $0.double(-2.2250738585072014e-308) }),
      ("false", { $0.bool(false) }), ("null", { $0.null() }), ("[1]", { $0.raw(Array("[1]".utf8)) }),
      ("\"v\"", { $0.value(.string("v")) }), ("{", { $0.beginObject() }), ("]", { $0.endArray() }),
    ]
    for (text, write) in values {
      for fill in 0...130 {
        let before = String(repeating: "x", count: fill)
        for isBehindKey in [false, true] {
          func fillAndWrite(_ json: inout JSONWriter) {
            if isBehindKey { json.key(before) } else { json.string(before) }
            write(&json)
          }
          var json = JSONWriter()
          fillAndWrite(&json)
          let separator = isBehindKey ? ":" : text == "]" ? "" : ","
          #expect(String(decoding: json.bytes, as: UTF8.self) == "\"\(before)\"\(separator)\(text)")
          #expect(JSONWriter.text(reserving: 64, fillAndWrite) == json.bytes)
        }
      }
    }
  }

  @Test func `room that was asked for in vain is given back`() {
    let text = JSONWriter.text(reserving: 1 << 20) { $0.string("short") }
    #expect(text == Array("\"short\"".utf8) && text.capacity < 1 << 10)
  }

  @Test func `a text grows beyond what was asked for, value by value`() throws {
    var json = JSONWriter(reserving: 1)
    json.beginArray()
    for number in 0..<2_000 {
      json.beginObject()
      json.key(plain: "number")
      json.int(number)
      json.key(plain: "quoted")
      json.quoted(UInt64.max)
      json.key(plain: "decimal")
      json.decimal(billionths: -.max)
      json.key(plain: "time")
      json.time(nanoseconds: .min)
      json.key(plain: "plain")
      unsafe json.string(plainCount: 5) { unsafe $0.copyBytes(from: Array("plain".utf8)) }
      json.endObject()
    }
    json.endArray()
    let elements = try #require(try JSONValue.parse(json.bytes).array)
    #expect(elements.count == 2_000 && json.count == json.bytes.count)
    for (number, element) in elements.enumerated() { #expect(element["number"]?.int == number) }
    #expect(elements[7]["decimal"]?.double == -9_223_372_036.854775807)
    var text: [UInt8] = [0x20]
    json.append(to: &text)
    #expect(text == [0x20] + json.bytes)
    json.removeAll()
    #expect(json.bytes.isEmpty)
  }

  @Test func `bytes that are no UTF-8 are repaired`() throws {
    var json = JSONWriter()
    json.string([0x61, 0xff, 0x62, 0xe2, 0x82] as [UInt8])
    #expect(try JSONValue.parse(json.bytes).string == "a\u{fffd}b\u{fffd}\u{fffd}")
  }

  @Test func `line separators of JavaScript are escaped`() {
    var json = JSONWriter()
    json.string("a\u{2028}\u{2029}\u{202a}")
    #expect(String(decoding: json.bytes, as: UTF8.self) == "\"a\\u2028\\u2029\u{202a}\"")
  }
}
