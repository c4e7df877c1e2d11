/// A small JSON document as a tree: configuration, answers, tests. Not for payloads on the hot path.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// The digits as written: nothing is rounded.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// In the order of the text, equal keys included.
  case object([Member])

  public struct Member: Hashable, Sendable {
    public var key: String
    public var value: JSONValue

    public init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// The value of a member; of equal keys the last one counts. Nil for anything but an object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key == key }?.value
  }

  public subscript(index: Int) -> JSONValue? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  public var isNull: Bool { self == .null }
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  public var members: [Member]? { if case .object(let members) = self { members } else { nil } }
  /// Nil for a number with a fraction or exponent, or beyond 64 bit.
  public var int: Int? { if case .number(let digits) = self { Int(digits) } else { nil } }
  public var double: Double? { if case .number(let digits) = self { Double(digits) } else { nil } }

  /// Reads a whole text. Lone surrogates become U+FFFD.
  ///
  /// - Parameter depthMax: deeper nesting throws `.tooDeep`; the tree is freed recursively, so keep it small.
  public static func parse(_ bytes: UnsafeRawBufferPointer, depthMax: Int = 512) throws(JSONError) -> JSONValue {
    var builder = unsafe JSONTreeBuilder(bytes, depthMax: depthMax)
    return try builder.build()
  }

  public static func parse(_ bytes: [UInt8], depthMax: Int = 512) throws(JSONError) -> JSONValue {
    unsafe try bytes.withUnsafeBufferPointer { (all) throws(JSONError) in
      unsafe try parse(UnsafeRawBufferPointer(all), depthMax: depthMax)
    }
  }

  public static func parse(_ text: String, depthMax: Int = 512) throws(JSONError) -> JSONValue {
    try parse(Array(text.utf8), depthMax: depthMax)
  }

  /// Compact JSON.
  public var encoded: [UInt8] {
    var output: [UInt8] = []
    append(to: &output)
    return output
  }

  /// Recursive: the depth of a value is bounded where it is parsed.
  func append(to output: inout [UInt8]) {
    switch self {
    case .null: output += Array("null".utf8)
    case .bool(let value): output += Array((value ? "true" : "false").utf8)
    case .number(let digits): output += Array(digits.utf8)
    case .string(let text): Self.quote(text, &output)
    case .array(let elements):
      output.append(0x5b)
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(0x2c) }
        element.append(to: &output)
      }
      output.append(0x5d)
    case .object(let members):
      output.append(0x7b)
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(0x2c) }
        Self.quote(member.key, &output)
        output.append(0x3a)
        member.value.append(to: &output)
      }
      output.append(0x7d)
    }
  }

  private static func quote(_ text: String, _ output: inout [UInt8]) {
    var text = text
    text.withUTF8 { unsafe JSONText.appendQuoted(UnsafeRawBufferPointer($0), to: &output) }
  }
}

/// Builds the tree with a stack of its own.
@safe private struct JSONTreeBuilder {
  // `@safe`: `bytes` is only read inside `JSONValue.parse`, which keeps it alive.
  private struct Open {
    var key: String?
    var elements: [JSONValue]
    var members: [JSONValue.Member]
    let isObject: Bool
  }

  private let bytes: UnsafeRawBufferPointer
  private var scanner: JSONScanner
  private let depthMax: Int
  private var stack: [Open] = []

  init(_ bytes: UnsafeRawBufferPointer, depthMax: Int) {
    unsafe self.bytes = unsafe bytes
    scanner = unsafe JSONScanner(bytes)
    self.depthMax = depthMax
  }

  mutating func build() throws(JSONError) -> JSONValue {
    while true {
      var done: JSONValue? = try leafOrOpen()
      while let value = done {
        guard let top = stack.indices.last else {
          try scanner.finish()
          return value
        }
        done = try attach(value, top)
      }
    }
  }

  /// A value without children, or nil after a container was opened.
  private mutating func leafOrOpen() throws(JSONError) -> JSONValue? {
    let first = try scanner.peek()
    if first == 0x7b {
      guard stack.count < depthMax else { throw JSONError(.tooDeep, at: scanner.position) }
      guard try scanner.beginObject() else { return .object([]) }
      stack.append(Open(key: try key(), elements: [], members: [], isObject: true))
      return nil
    }
    if first == 0x5b {
      guard stack.count < depthMax else { throw JSONError(.tooDeep, at: scanner.position) }
      guard try scanner.beginArray() else { return .array([]) }
      stack.append(Open(key: nil, elements: [], members: [], isObject: false))
      return nil
    }
    let slice = try scanner.value()
    switch slice.kind {
    case .null: return .null
    case .true: return .bool(true)
    case .false: return .bool(false)
    case .number: return unsafe .number(String(decoding: bytes[slice.range], as: UTF8.self))
    default: return .string(text(slice))
    }
  }

  /// Puts a finished value into the container on top; gives that container if it is finished too.
  private mutating func attach(_ value: JSONValue, _ top: Int) throws(JSONError) -> JSONValue? {
    if stack[top].isObject {
      stack[top].members.append(JSONValue.Member(stack[top].key ?? "", value))
      if try scanner.hasNextMember() {
        stack[top].key = try key()
        return nil
      }
      return .object(stack.removeLast().members)
    }
    stack[top].elements.append(value)
    if try scanner.hasNextElement() { return nil }
    return .array(stack.removeLast().elements)
  }

  private mutating func key() throws(JSONError) -> String { text(try scanner.key()) }

  private func text(_ slice: JSONSlice) -> String {
    let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[slice.content])
    guard slice.isEscaped else { return unsafe String(decoding: content, as: UTF8.self) }
    var unescaped: [UInt8] = []
    unsafe JSONText.unescapeRepairing(content, into: &unescaped)
    return String(decoding: unescaped, as: UTF8.self)
  }
}
