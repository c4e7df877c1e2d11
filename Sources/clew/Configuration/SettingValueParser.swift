/// A node to a checked value.
enum SettingValueParser {
  static func parse(
    _ node: SettingNode, _ kind: SettingKind, _ name: String
  ) throws(ConfigurationMistake) -> SettingValue {
    switch kind {
    case .texts: return .texts(try list(node, name).map(\.text))
    case .durations:
      var times: [Int64] = []
      for (text, origin) in try list(node, name) {
        guard let time = Units.duration(text) ?? Units.seconds(text) else { throw noTime(text, name, origin) }
        if let last = times.last, time <= last {
          throw ConfigurationMistake(origin: origin, message: "\(name): bounds must increase")
        }
        times.append(time)
      }
      return .durations(times)
    case .agesByName: return .ages(try ages(node, name))
    default: break
    }
    guard case .scalar(let text) = node.content else {
      let found = if case .empty = node.content { "is empty" } else { "must be one value" }
      throw ConfigurationMistake(origin: node.origin, message: "\(name) \(found); expected: \(kind.description)")
    }
    return try scalar(text, kind, name, node.origin)
  }

  private static func scalar(
    _ text: String, _ kind: SettingKind, _ name: String, _ origin: SettingOrigin
  ) throws(ConfigurationMistake) -> SettingValue {
    func refuse(_ expected: String) -> ConfigurationMistake {
      ConfigurationMistake(origin: origin, message: "\(name) cannot be \(Printable.quoted(text)); \(expected)")
    }
    switch kind {
    case .text, .path, .texts, .durations, .agesByName:
      if text.isEmpty { throw refuse("a text is expected") }
      return .text(text)
    case .boolean:
      guard let value = Units.boolean(text) else { throw refuse("true or false is expected") }
      return .boolean(value)
    case .address:
      guard let (host, port) = Units.address(text) else {
        throw refuse("HOST:PORT is expected, for example 127.0.0.1:9797")
      }
      return .address(host: host, port: port)
    case .choice(let names):
      if names.contains(text) { return .text(text) }
      throw refuse(Suggestion.hint(text, among: names, otherwise: "one of " + names.joined(separator: ", ")))
    case .count(let range):
      guard let number = Int(text), range.contains(number) else {
        throw refuse("a whole number from \(range.lowerBound) to \(range.upperBound) is expected")
      }
      return .count(number)
    case .bytes(let range):
      guard let number = Units.bytes(text) else { throw refuse("a size is expected, for example 10GiB") }
      guard range.contains(number) else {
        throw refuse("\(range.lowerBound) to \(range.upperBound) bytes are possible")
      }
      return .count(number)
    case .durationOrAll:
      if text == "all" { return .all }
      guard let time = Units.duration(text) else { throw refuse("a time (5m) or 'all' is expected") }
      return .nanoseconds(time)
    case .duration(let range):
      guard let time = Units.duration(text) else { throw noTime(text, name, origin) }
      guard range.contains(time) else {
        throw refuse("at least \(Humanised.duration(seconds: Double(range.lowerBound) / 1e9)) is possible")
      }
      return .nanoseconds(time)
    }
  }

  /// A map `NAME: { age: TIME }`, or one text `NAME=TIME,…`, as an environment variable has it.
  private static func ages(
    _ node: SettingNode, _ name: String
  ) throws(ConfigurationMistake) -> [String: Int64] {
    var ages: [String: Int64] = [:]
    func take(_ source: String, _ text: String, _ origin: SettingOrigin) throws(ConfigurationMistake) {
      guard let time = Units.duration(text), time > 0 else { throw noTime(text, "\(name).\(source).age", origin) }
      ages[source] = time
    }
    switch node.content {
    case .empty: break
    case .scalar, .list:
      for (text, origin) in try list(node, name) {
        guard let sign = text.lastIndex(of: "="), sign != text.startIndex else {
          throw ConfigurationMistake(origin: origin, message: "\(name): NAME=TIME is expected, for example audit=90d")
        }
        try take(String(text[..<sign]), String(text[text.index(after: sign)...]), origin)
      }
    case .map(let entries):
      for entry in entries {
        let source = entry.written ?? entry.key
        guard case .map(let settings) = entry.node.content, settings.count == 1, settings[0].key == "age",
          case .scalar(let text) = settings[0].node.content
        else {
          throw ConfigurationMistake(
            origin: entry.origin, message: "\(name).\(source) has one key, age, for example age: 90d")
        }
        try take(source, text, settings[0].node.origin)
      }
    }
    return ages
  }

  private static func noTime(_ text: String, _ name: String, _ origin: SettingOrigin) -> ConfigurationMistake {
    ConfigurationMistake(
      origin: origin,
      message: "\(name) cannot be \(Printable.quoted(text)); a time with its unit is expected, for example 250ms or 7d")
  }

  /// A list, or one text with commas, as an environment variable has it.
  private static func list(
    _ node: SettingNode, _ name: String
  ) throws(ConfigurationMistake) -> [(text: String, origin: SettingOrigin)] {
    switch node.content {
    case .empty: return []
    case .scalar(let text):
      return text.split(separator: ",").map { piece in
        (String(piece.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()), node.origin)
      }.filter { !$0.0.isEmpty }
    case .list(let items):
      var texts: [(String, SettingOrigin)] = []
      for item in items {
        guard case .scalar(let text) = item.content, !text.isEmpty else {
          throw ConfigurationMistake(origin: item.origin, message: "\(name): each entry must be one text")
        }
        texts.append((text, item.origin))
      }
      return texts
    case .map:
      throw ConfigurationMistake(origin: node.origin, message: "\(name) must be a list")
    }
  }
}
