/// Settings to a configuration, with every mistake that was found on the way. Pure: file content, environment and
/// options are given.
struct ConfigurationReader {
  private(set) var configuration = Configuration()
  private(set) var mistakes: [ConfigurationMistake] = []
  /// Where a setting came from, for checks that look at several: by path.
  private(set) var origins: [String: SettingOrigin] = [:]

  /// - Parameters:
  ///   - path: of the file; shown in mistakes.
  ///   - options: values of `clew serve`'s options, by option name.
  static func read(
    file: [UInt8]?, path: String, environment: [String: String], options: [String: [String]]
  ) -> ConfigurationReader {
    var reader = ConfigurationReader()
    var root = SettingNode(content: .empty, origin: .file(path: path, line: 1, column: 1))
    if let file {
      do {
        root = try YAMLReader.read(file, path: path) ?? root
      } catch {
        reader.mistakes.append(error)
        return reader
      }
    }
    SettingOverlay.apply(environment: environment, to: &root)
    SettingOverlay.apply(options: options, to: &root)
    reader.take(root, environment: environment)
    return reader
  }

  private mutating func take(_ root: SettingNode, environment: [String: String]) {
    guard expectMap(root, "the configuration") else { return }
    let readingNames = Set(ConfigurationKeys.reading.map { $0.segments[0] })
    var made = configuration
    apply(
      root, keys: ConfigurationKeys.all, to: &made, prefix: "", others: readingNames.union(["handlers", "sources"]))
    apply(root, keys: ConfigurationKeys.reading, to: &made.reading, prefix: "", reportsUnknown: false)
    configuration = made
    if let rules = root["handlers"] { configuration.reading.handlerRules = handlerRules(rules) }
    if let node = root["sources"] { takeSources(node) }
    for (variable, path) in [("CLEW_WRITE_TOKEN", \Configuration.writeToken), ("CLEW_READ_TOKEN", \.readToken)] {
      guard let token = environment[variable], !token.isEmpty else { continue }
      configuration[keyPath: path] = .value(token)
    }
    var names = Set<String>()
    for source in configuration.sources {
      guard let name = source.name else { continue }
      if !names.insert(name).inserted {
        mistake(root["sources"]?.origin ?? root.origin, "two sources have the name \(Printable.quoted(name))")
      }
    }
  }

  private mutating func takeSources(_ node: SettingNode) {
    guard let items = expectList(node, "sources") else { return }
    for (index, item) in items.enumerated() {
      let prefix = "sources.\(index)."
      if case .empty = item.content { mistake(item.origin, "source \(index) is empty") }
      guard expectMap(item, "an entry of sources") else { continue }
      var source = SourceSettings(reading: configuration.reading, origin: item.origin.description)
      let readingNames = Set(ConfigurationKeys.reading.map { $0.segments[0] })
      apply(item, keys: ConfigurationKeys.source, to: &source, prefix: prefix, others: readingNames.union(["handlers"]))
      let sourceNames = Set(ConfigurationKeys.source.map { $0.segments[0] })
      apply(
        item, keys: ConfigurationKeys.reading, to: &source.reading, prefix: prefix,
        others: sourceNames.union(["handlers"]), reportsUnknown: false)
      if let rules = item["handlers"] { source.reading.handlerRules = handlerRules(rules) }
      if source.url.isEmpty { mistake(item.origin, "a source needs a url") }
      configuration.sources.append(source)
    }
  }

  private mutating func handlerRules(_ node: SettingNode) -> [HandlerRuleSettings] {
    guard let items = expectList(node, "handlers") else { return [] }
    var rules: [HandlerRuleSettings] = []
    for item in items where expectMap(item, "an entry of handlers") {
      var rule = HandlerRuleSettings()
      apply(item, keys: ConfigurationKeys.rule, to: &rule, prefix: "handlers.")
      if rule.handler.isEmpty { mistake(item.origin, "a handler rule needs a handler") }
      if rule.type == nil && rule.category == nil {
        mistake(item.origin, "a handler rule needs a type or a category")
      }
      rules.append(rule)
    }
    return rules
  }

  /// Walks a map with its maps inside; depth is bounded by the reader.
  ///
  /// - Parameter reportsUnknown: whether keys of the outermost map that are not in `keys` are mistakes.
  private mutating func apply<Target>(
    _ node: SettingNode, keys: [ConfigurationKey<Target>], to target: inout Target, prefix: String,
    others: Set<String> = [], reportsUnknown: Bool = true
  ) {
    var pending: [(SettingNode, [String])] = [(node, [])]
    while let (map, path) = pending.popLast() {
      guard case .map(let entries) = map.content else { continue }
      for entry in entries {
        let full = path + [entry.key]
        if let key = keys.first(where: { $0.segments == full }) {
          guard let value = value(of: entry.node, key.kind, prefix + key.path) else { continue }
          key.set(&target, value)
          origins[prefix + key.path] = entry.node.origin
        } else if keys.contains(where: { $0.segments.starts(with: full) }) {
          if expectMap(entry.node, full.joined(separator: ".")) { pending.append((entry.node, full)) }
        } else if !path.isEmpty || (reportsUnknown && !others.contains(entry.key)) {
          let known = keys.filter { $0.segments.starts(with: path) }.map { $0.segments[path.count] }
          let hint = Suggestion.hint(entry.key, among: known + (path.isEmpty ? others.sorted() : []), otherwise: "")
          let name = Printable.quoted(prefix + full.joined(separator: "."))
          mistake(entry.origin, "unknown key \(name)" + (hint.isEmpty ? "" : "; \(hint)"))
        }
      }
    }
  }

  private mutating func expectMap(_ node: SettingNode, _ what: String) -> Bool {
    switch node.content {
    case .map: return true
    case .empty: return false
    default:
      mistake(node.origin, "\(what) must be a list of 'key: value'")
      return false
    }
  }

  private mutating func expectList(_ node: SettingNode, _ what: String) -> [SettingNode]? {
    switch node.content {
    case .list(let items): return items
    case .empty: return []
    default:
      mistake(node.origin, "\(what) must be a list (lines that begin with '-')")
      return nil
    }
  }

  private mutating func value(of node: SettingNode, _ kind: SettingKind, _ name: String) -> SettingValue? {
    do {
      return try SettingValueParser.parse(node, kind, name)
    } catch {
      mistakes.append(error)
      return nil
    }
  }

  mutating func mistake(_ origin: SettingOrigin, _ message: String) {
    mistakes.append(ConfigurationMistake(origin: origin, message: message))
  }
}
