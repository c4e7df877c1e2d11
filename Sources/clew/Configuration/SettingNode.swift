/// Where a setting was written: every mistake names it.
enum SettingOrigin: Sendable, Equatable {
  case file(path: String, line: Int, column: Int)
  case environment(String)
  case option(String)

  var description: String {
    switch self {
    case .file(let path, let line, let column): "\(Printable.escaped(path)):\(line):\(column)"
    case .environment(let name): "environment variable \(name)"
    case .option(let name): "option --\(name)"
    }
  }
}

/// One mistake, with its place.
struct ConfigurationMistake: Error, Equatable, Sendable {
  var origin: SettingOrigin
  var message: String

  var description: String { "\(origin.description): \(message)" }
}

/// A tree of settings, from the file, with environment and options laid over it.
struct SettingNode: Sendable {
  enum Content: Sendable {
    case scalar(String)
    /// `key:` with nothing behind it.
    case empty
    case list([SettingNode])
    case map([Entry])
  }

  struct Entry: Sendable {
    var key: String
    /// As it stands in the file, where that differs: names of sources are keys, too.
    var written: String?
    var origin: SettingOrigin
    var node: SettingNode
  }

  var content: Content
  var origin: SettingOrigin

  /// The node of a key; nil if this is no map, or has no such key.
  subscript(key: String) -> SettingNode? {
    guard case .map(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.node
  }

  /// Sets a value at a path, making the maps on the way; what was there is replaced.
  mutating func set(_ path: ArraySlice<String>, to node: SettingNode) {
    guard let key = path.first else {
      self = node
      return
    }
    var entries: [Entry] = []
    if case .map(let known) = content { entries = known }
    let index = entries.firstIndex { $0.key == key }
    var child = index.map { entries[$0].node } ?? SettingNode(content: .empty, origin: node.origin)
    child.set(path.dropFirst(), to: node)
    if let index {
      entries[index].node = child
    } else {
      entries.append(Entry(key: key, origin: node.origin, node: child))
    }
    content = .map(entries)
  }
}
