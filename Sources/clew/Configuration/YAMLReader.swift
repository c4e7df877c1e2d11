import CYAML

/// One YAML document to a tree of settings, by libyaml's events. Anchors, aliases, tags, a second document and equal
/// keys are refused: a configuration must say what it looks like it says.
struct YAMLReader {
  static let bytesMax = 1 << 20
  static let depthMax = 16
  static let nodesMax = 20_000

  private let path: String
  private var open: [Container] = []
  private var root: SettingNode?
  private var nodes = 0

  /// A list or map whose end was not read yet.
  private struct Container {
    var isMap: Bool
    var origin: SettingOrigin
    var items: [SettingNode] = []
    var entries: [SettingNode.Entry] = []
    var key: (name: String, written: String, origin: SettingOrigin)?
  }

  private init(path: String) { self.path = path }

  /// - Parameter path: shown in mistakes.
  /// - Returns: nil for an empty document.
  static func read(_ bytes: [UInt8], path: String) throws(ConfigurationMistake) -> SettingNode? {
    var reader = YAMLReader(path: path)
    if bytes.count > bytesMax {
      throw reader.mistake(1, 1, "the file has more than 1 MiB; a configuration is smaller")
    }
    var parser = unsafe yaml_parser_t()
    guard unsafe yaml_parser_initialize(&parser) == 1 else { throw reader.mistake(1, 1, "out of memory") }
    defer { unsafe yaml_parser_delete(&parser) }
    return unsafe try bytes.withUnsafeBufferPointer { (buffer) throws(ConfigurationMistake) -> SettingNode? in
      let empty: [UInt8] = [0x0a]
      return unsafe try empty.withUnsafeBufferPointer { (fallback) throws(ConfigurationMistake) -> SettingNode? in
        let input = unsafe buffer.isEmpty ? fallback : buffer
        unsafe yaml_parser_set_input_string(&parser, input.baseAddress, input.count)
        return unsafe try reader.run(&parser)
      }
    }
  }

  private mutating func run(_ parser: inout yaml_parser_t) throws(ConfigurationMistake) -> SettingNode? {
    var documents = 0
    while true {
      var event = unsafe yaml_event_t()
      guard unsafe yaml_parser_parse(&parser, &event) == 1 else { throw unsafe syntaxError(parser) }
      defer { unsafe yaml_event_delete(&event) }
      let origin = unsafe place(event.start_mark)
      switch unsafe event.type {
      case YAML_STREAM_END_EVENT: return root
      case YAML_DOCUMENT_START_EVENT:
        documents += 1
        if documents > 1 { throw ConfigurationMistake(origin: origin, message: "a second document is not allowed") }
      case YAML_ALIAS_EVENT:
        throw ConfigurationMistake(origin: origin, message: "aliases (*name) are not allowed")
      case YAML_SCALAR_EVENT: unsafe try scalar(event, origin)
      case YAML_SEQUENCE_START_EVENT:
        unsafe try refuse(event.data.sequence_start.anchor, event.data.sequence_start.tag, origin)
        try begin(isMap: false, origin)
      case YAML_MAPPING_START_EVENT:
        unsafe try refuse(event.data.mapping_start.anchor, event.data.mapping_start.tag, origin)
        try begin(isMap: true, origin)
      case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: try end()
      default: break
      }
    }
  }

  private mutating func scalar(_ event: yaml_event_t, _ origin: SettingOrigin) throws(ConfigurationMistake) {
    let scalar = unsafe event.data.scalar
    unsafe try refuse(scalar.anchor, scalar.tag, origin)
    let text = unsafe String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
    let plain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
    if let last = open.indices.last, open[last].isMap, open[last].key == nil {
      // `live_window` and `live-window` are one key.
      let written = text
      let text = String(text.map { $0 == "_" ? "-" : $0 })
      if open[last].entries.contains(where: { $0.key == text }) {
        throw ConfigurationMistake(origin: origin, message: "the key \(Printable.quoted(text)) is given twice")
      }
      open[last].key = (text, written, origin)
      return
    }
    let isNull = plain && (text.isEmpty || text == "~" || text == "null")
    try add(SettingNode(content: isNull ? .empty : .scalar(text), origin: origin))
  }

  private mutating func begin(isMap: Bool, _ origin: SettingOrigin) throws(ConfigurationMistake) {
    if let last = open.last, last.isMap, last.key == nil {
      throw ConfigurationMistake(origin: origin, message: "a key must be a name")
    }
    if open.count >= Self.depthMax {
      throw ConfigurationMistake(origin: origin, message: "more than \(Self.depthMax) levels")
    }
    open.append(Container(isMap: isMap, origin: origin))
  }

  private mutating func end() throws(ConfigurationMistake) {
    guard let closed = open.popLast() else { return }
    let content: SettingNode.Content = closed.isMap ? .map(closed.entries) : .list(closed.items)
    try add(SettingNode(content: content, origin: closed.origin))
  }

  private mutating func add(_ node: SettingNode) throws(ConfigurationMistake) {
    nodes += 1
    if nodes > Self.nodesMax {
      throw ConfigurationMistake(origin: node.origin, message: "more than \(Self.nodesMax) values")
    }
    guard let last = open.indices.last else {
      root = node
      return
    }
    if !open[last].isMap {
      open[last].items.append(node)
    } else if let key = open[last].key {
      open[last].entries.append(SettingNode.Entry(key: key.name, written: key.written, origin: key.origin, node: node))
      open[last].key = nil
    }
  }

  private func refuse(
    _ anchor: UnsafeMutablePointer<UInt8>?, _ tag: UnsafeMutablePointer<UInt8>?, _ origin: SettingOrigin
  ) throws(ConfigurationMistake) {
    if unsafe anchor != nil { throw ConfigurationMistake(origin: origin, message: "anchors (&name) are not allowed") }
    if unsafe tag != nil { throw ConfigurationMistake(origin: origin, message: "tags (!name) are not allowed") }
  }

  private func syntaxError(_ parser: yaml_parser_t) -> ConfigurationMistake {
    let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "not readable as YAML"
    let mark = unsafe parser.error == YAML_READER_ERROR ? parser.mark : parser.problem_mark
    var hint = ""
    if problem.contains("cannot start any token") {
      hint = " (a tab cannot indent; quote values that begin with @ % or `)"
    }
    return mistake(Int(mark.line) + 1, Int(mark.column) + 1, problem + hint)
  }

  private func place(_ mark: yaml_mark_t) -> SettingOrigin {
    .file(path: path, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }

  private func mistake(_ line: Int, _ column: Int, _ message: String) -> ConfigurationMistake {
    ConfigurationMistake(origin: .file(path: path, line: line, column: column), message: message)
  }
}
