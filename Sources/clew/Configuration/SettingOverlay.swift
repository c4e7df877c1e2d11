/// Environment variables and options, laid over the file's settings: file, then environment, then options.
enum SettingOverlay {
  /// Entries of lists that the environment may name: `CLEW_SOURCES_0_URL`.
  static let indexesMax = 64

  static func apply(environment: [String: String], to root: inout SettingNode) {
    for (variable, path) in paths(environment) {
      guard let text = environment[variable], !text.isEmpty else { continue }
      let node = SettingNode(content: .scalar(text), origin: .environment(variable))
      setIndexed(path[...], to: node, in: &root)
    }
  }

  /// Names of all variables that mean a setting, with the setting's path; list entries only where they are set.
  private static func paths(_ environment: [String: String]) -> [(variable: String, path: [String])] {
    var all: [(String, [String])] = ConfigurationKeys.all.map { ($0.environment, $0.segments) }
    let reading = ConfigurationKeys.reading
    all += reading.map { ($0.environment, $0.segments) }
    all += rules(environment, "CLEW_", [])
    for index in 0..<indexesMax where has(environment, "CLEW_SOURCES_\(index)_") {
      let prefix = "CLEW_SOURCES_\(index)_"
      let path = ["sources", "\(index)"]
      all += ConfigurationKeys.source.map { (prefix + environmentName($0.path), path + $0.segments) }
      all += reading.map { (prefix + environmentName($0.path), path + $0.segments) }
      all += rules(environment, prefix, path)
    }
    return all
  }

  private static func rules(
    _ environment: [String: String], _ prefix: String, _ path: [String]
  ) -> [(String, [String])] {
    var all: [(String, [String])] = []
    for index in 0..<indexesMax where has(environment, "\(prefix)HANDLERS_\(index)_") {
      for key in ConfigurationKeys.rule {
        all.append(
          ("\(prefix)HANDLERS_\(index)_\(environmentName(key.path))", path + ["handlers", "\(index)", key.path]))
      }
    }
    return all
  }

  private static func has(_ environment: [String: String], _ prefix: String) -> Bool {
    environment.keys.contains { $0.hasPrefix(prefix) }
  }

  static func apply(options: [String: [String]], to root: inout SettingNode) {
    for key in ConfigurationKeys.all {
      guard let option = key.option, let given = options[option] else { continue }
      let text = key.kind == .boolean ? "true" : given.last ?? ""
      root.set(key.segments[...], to: SettingNode(content: .scalar(text), origin: .option(option)))
    }
    if let profile = options["profile"]?.last {
      root.set(["profile"], to: SettingNode(content: .scalar(profile), origin: .option("profile")))
    }
    guard let urls = options["source"], !urls.isEmpty else { return }
    var items: [SettingNode] = []
    var origin = SettingOrigin.option("source")
    if let known = root["sources"] {
      if case .list(let written) = known.content { items = written }
      origin = known.origin
    }
    for url in urls {
      let node = SettingNode(content: .scalar(url), origin: .option("source"))
      let entry = SettingNode.Entry(key: "url", origin: .option("source"), node: node)
      items.append(SettingNode(content: .map([entry]), origin: .option("source")))
    }
    root.set(["sources"], to: SettingNode(content: .list(items), origin: origin))
  }

  /// As `SettingNode.set`, where a number in the path is a place in a list; places left out are refused by being empty.
  private static func setIndexed(_ path: ArraySlice<String>, to node: SettingNode, in root: inout SettingNode) {
    guard let split = path.firstIndex(where: { Int($0) != nil }) else {
      root.set(path, to: node)
      return
    }
    let listPath = path[..<split]
    let index = Int(path[split])!
    var items: [SettingNode] = []
    if case .list(let known) = find(listPath, in: root)?.content { items = known }
    while items.count <= index { items.append(SettingNode(content: .empty, origin: node.origin)) }
    var item = items[index]
    setIndexed(path[(split + 1)...], to: node, in: &item)
    items[index] = item
    root.set(listPath, to: SettingNode(content: .list(items), origin: node.origin))
  }

  private static func find(_ path: ArraySlice<String>, in root: SettingNode) -> SettingNode? {
    var node = root
    for key in path {
      guard let next = node[key] else { return nil }
      node = next
    }
    return node
  }

  /// Variables that begin with `CLEW_` and mean nothing: likely mistyped. Sorted.
  static func unknownVariables(_ environment: [String: String]) -> [String] {
    var known = Set(paths(environment).map(\.variable))
    known.formUnion(CommandTable.all.flatMap(\.options).compactMap(\.environment))
    known.formUnion(["CLEW_TOKEN", "CLEW_WRITE_TOKEN", "CLEW_READ_TOKEN"])
    return environment.keys.filter { $0.hasPrefix("CLEW_") && !known.contains($0) }.sorted()
  }
}
