import Platform

/// The checkout as text: what the rules of the house are checked against.
struct SourceFile {
  /// From the root of the package, for example `Sources/clew/Clew.swift`.
  var path: String
  var lines: [String]

  /// `Sources/clew/Clew.swift` is of target `clew`.
  var target: String {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[1]) : ""
  }
}

enum SourceTree {
  /// The package's root: three levels above this file.
  static let root: String = Files.directory(of: Files.directory(of: Files.directory(of: #filePath)))

  static func files(below directories: [String], ending: [String]) throws -> [SourceFile] {
    var found: [SourceFile] = []
    var pending = directories
    while let directory = pending.popLast() {
      guard Files.exists("\(root)/\(directory)") else { continue }
      for name in try Files.list("\(root)/\(directory)") where !name.hasPrefix(".build") {
        let path = "\(directory)/\(name)"
        if try Files.status("\(root)/\(path)").isDirectory {
          pending.append(path)
        } else if ending.contains(where: { name.hasSuffix($0) }) {
          found.append(try file(path))
        }
      }
    }
    return found.sorted { $0.path < $1.path }
  }

  static func file(_ path: String) throws -> SourceFile {
    let text = String(decoding: try Files.read("\(root)/\(path)", bytesMax: 4 << 20), as: UTF8.self)
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    return SourceFile(path: path, lines: lines)
  }
}

/// A line without what stands in comments and string literals, so that words in them are not taken for code.
///
/// Multi-line strings are cut by the caller, who knows where they begin and end.
func codeOnly(_ line: String) -> String {
  var code = ""
  var inString = false
  var previous: Character = " "
  for character in line {
    if !inString && character == "/" && previous == "/" {
      code.removeLast()
      return code
    }
    if character == "\"" && previous != "\\" { inString.toggle() }
    if !inString { code.append(character) }
    previous = previous == "\\" && character == "\\" ? " " : character
  }
  return code
}

/// The lines of a file as code only, multi-line strings left empty.
func codeLines(_ file: SourceFile) -> [String] {
  var inLongString = false
  return file.lines.map { line in
    let quotes = line.components(of: "\"\"\"")
    defer { if quotes % 2 == 1 { inLongString.toggle() } }
    if inLongString { return "" }
    return quotes > 0 ? "" : codeOnly(line)
  }
}

extension String {
  /// How often `part` occurs, without overlap.
  func components(of part: String) -> Int {
    var count = 0
    var rest = self[...]
    while let range = rest.firstRange(of: part) {
      count += 1
      rest = rest[range.upperBound...]
    }
    return count
  }
}
