import WireFormats

/// Replaces values of JSON documents by `"[redacted]"`.
///
/// A path is a list of member names from the top; arrays on the way are passed through, and every member of that name
/// is replaced, also where equal names stand side by side. Bytes that are no JSON, and JSON inside of strings, are not
/// looked into.
final class Redactor {
  enum Part: Int { case data, metadata }

  private struct Node {
    var children: [[UInt8]: Int] = [:]
    var isRedacted = false
  }

  /// Node 0 is the top of data, node 1 that of metadata; a path of several names goes down from there.
  private var nodes = [Node(), Node()]
  private static let replacement = Array("\"[redacted]\"".utf8)

  /// - Parameter paths: `data.…` or `metadata.…`; anything else is ignored (`ReadingRules.problems` says so before).
  init(_ paths: [String]) {
    for path in paths {
      let names = path.split(separator: ".", omittingEmptySubsequences: false).map { Array($0.utf8) }
      guard names.count > 1, let part = Self.part(names[0]) else { continue }
      var node = part.rawValue
      for name in names.dropFirst() { node = child(of: node, name) }
      nodes[node].isRedacted = true
    }
  }

  private static func part(_ name: [UInt8]) -> Part? {
    if name == Array("data".utf8) { return .data }
    return name == Array("metadata".utf8) ? .metadata : nil
  }

  private func child(of node: Int, _ name: [UInt8]) -> Int {
    if let known = nodes[node].children[name] { return known }
    nodes.append(Node())
    nodes[node].children[name] = nodes.count - 1
    return nodes.count - 1
  }

  /// The document with its values replaced, or nil if there is nothing to replace. Not recursive.
  func redact(_ bytes: UnsafeRawBufferPointer, _ part: Part) -> [UInt8]? {
    guard !nodes[part.rawValue].children.isEmpty, unsafe (try? JSONScanner.validate(bytes)) != nil else { return nil }
    guard let ranges = unsafe try? ranges(bytes, part.rawValue), !ranges.isEmpty else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    var copied = 0
    for range in ranges {
      unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[copied..<range.lowerBound]))
      output += Self.replacement
      copied = range.upperBound
    }
    unsafe output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[copied...]))
    return output
  }

  /// The values to be replaced, in the order of the text.
  private func ranges(_ bytes: UnsafeRawBufferPointer, _ top: Int) throws(JSONError) -> [Range<Int>] {
    var scanner = unsafe JSONScanner(bytes)
    var found: [Range<Int>] = []
    // Containers that are open, each with the node its members (or its elements' members) belong to.
    var open: [(node: Int, isObject: Bool)] = []
    var node = top
    while true {
      var entered = false
      if nodes[node].isRedacted {
        found.append(try scanner.value().range)
      } else {
        let first = try scanner.peek()
        let wanted = !nodes[node].children.isEmpty
        if wanted, first == 0x7b {
          entered = try scanner.beginObject()
          if entered { open.append((node, true)) }
        } else if wanted, first == 0x5b {
          entered = try scanner.beginArray()
          if entered { open.append((node, false)) }
        } else {
          _ = try scanner.value()
        }
      }
      guard let next = unsafe try nextValue(&scanner, bytes, &open, entered) else { return found }
      node = next
    }
  }

  /// Goes on to the next value of the open containers and gives its node; nil at the end. Values that no path leads
  /// to are skipped.
  private func nextValue(
    _ scanner: inout JSONScanner, _ bytes: UnsafeRawBufferPointer, _ open: inout [(node: Int, isObject: Bool)],
    _ entered: Bool
  ) throws(JSONError) -> Int? {
    var atFirst = entered
    while let top = open.last {
      let more = atFirst ? true : top.isObject ? try scanner.hasNextMember() : try scanner.hasNextElement()
      atFirst = false
      guard more else {
        open.removeLast()
        continue
      }
      guard top.isObject else { return top.node }
      let key = try scanner.key()
      if let child = unsafe nodes[top.node].children[name(key, bytes)] { return child }
      _ = try scanner.value()
    }
    return nil
  }

  private func name(_ key: JSONSlice, _ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[key.content])
    guard key.isEscaped else { return unsafe Array(content) }
    var unescaped: [UInt8] = []
    unsafe JSONText.unescapeRepairing(content, into: &unescaped)
    return unescaped
  }
}
