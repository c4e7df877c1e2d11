/// The target of a request line, taken apart: split at `/`, `?`, `&` and `=` first, decoded afterwards, so that an
/// encoded separator is part of a value. Segments are literal: `..` is a name like any other, since no file is behind.
struct RequestTarget {
  /// Why a target cannot be taken apart; the text is for the client.
  struct Problem: Error {
    var text: String
  }

  private(set) var path: [[UInt8]] = []
  private(set) var query: [(name: String, value: [UInt8])] = []

  init(_ target: [UInt8]) throws(Problem) {
    guard !target.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { throw Problem(text: "control character") }
    let origin = try Self.withoutAuthority(target[...])
    let mark = origin.firstIndex(of: UInt8(ascii: "?"))
    try addPath(origin[..<(mark ?? origin.endIndex)])
    if let mark { try addQuery(origin[(mark + 1)...]) }
  }

  /// `http://host/path` is what proxies send; `*` is for OPTIONS.
  private static func withoutAuthority(_ target: ArraySlice<UInt8>) throws(Problem) -> ArraySlice<UInt8> {
    if target.first == UInt8(ascii: "/") { return target }
    if target.elementsEqual("*".utf8) { return [] }
    for scheme in ["http://", "https://"] where target.starts(with: scheme.utf8) {
      let rest = target.dropFirst(scheme.utf8.count)
      let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
      return end.map { rest[$0...] } ?? []
    }
    throw Problem(text: "a path begins with /")
  }

  private mutating func addPath(_ text: ArraySlice<UInt8>) throws(Problem) {
    let rest = text.first == UInt8(ascii: "/") ? text.dropFirst() : text
    if rest.isEmpty { return }
    for segment in rest.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      path.append(try Self.decoded(segment, plusIsBlank: false))
    }
  }

  private mutating func addQuery(_ text: ArraySlice<UInt8>) throws(Problem) {
    for pair in text.split(separator: UInt8(ascii: "&")) {
      let equals = pair.firstIndex(of: UInt8(ascii: "="))
      let name = try Self.decoded(pair[..<(equals ?? pair.endIndex)], plusIsBlank: true)
      let value = try equals.map { (at) throws(Problem) in try Self.decoded(pair[(at + 1)...], plusIsBlank: true) }
      query.append((String(decoding: name, as: UTF8.self), value ?? []))
    }
  }

  private static func decoded(_ text: ArraySlice<UInt8>, plusIsBlank: Bool) throws(Problem) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = text.startIndex
    while index < text.endIndex {
      let byte = text[index]
      if byte == UInt8(ascii: "%") {
        guard index + 2 < text.endIndex, let high = hexValue(text[index + 1]), let low = hexValue(text[index + 2])
        else { throw Problem(text: "% without two hexadecimal digits") }
        result.append(high << 4 | low)
        index += 3
      } else {
        result.append(plusIsBlank && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
        index += 1
      }
    }
    return result
  }

  private static func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
