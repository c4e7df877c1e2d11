/// What the command line asks for.
enum Request: Sendable {
  case help(CommandSpecification?)
  case version
  case run(ParsedCommand)
}

/// A command with its values, each checked against its kind.
struct ParsedCommand: Sendable {
  var command: CommandSpecification
  var arguments: [String] = []
  /// By option name; a flag has an empty list. Only what stood on the command line.
  var options: [String: [String]] = [:]
  var environment: [String: String] = [:]

  func has(_ name: String) -> Bool { options[name] != nil }

  /// The option's last value, else its environment variable, else nil.
  func value(_ name: String) -> String? {
    if let given = options[name]?.last { return given }
    guard let variable = command.option(name)?.environment, let text = environment[variable], !text.isEmpty else {
      return nil
    }
    return text
  }

  func values(_ name: String) -> [String] { options[name] ?? [] }

  func count(_ name: String) -> Int? { value(name).flatMap { Int($0) } }
}

/// Words to a request. Pure: environment and words are given.
struct ArgumentParser {
  var environment: [String: String] = [:]

  /// - Parameter words: without the program's name.
  func parse(_ words: [String]) throws(UsageError) -> Request {
    guard let first = words.first else { return .help(nil) }
    switch first {
    case "--help", "-h": return .help(nil)
    case "--version", "-V": return .version
    case "help":
      guard words.count > 1 else { return .help(nil) }
      return .help(try command(words[1]))
    default: break
    }
    if first.hasPrefix("-") {
      throw UsageError(
        "unknown option \(Printable.quoted(first))", hint: "the command comes first: clew COMMAND [OPTIONS]")
    }
    return try parse(command(first), Array(words.dropFirst()))
  }

  private func command(_ name: String) throws(UsageError) -> CommandSpecification {
    if let known = CommandTable.command(name) { return known }
    if LaterCommands.names.contains(name) { throw LaterCommands.answer(name) }
    throw UsageError(
      "unknown command \(Printable.quoted(name))",
      hint: Suggestion.hint(name, among: CommandTable.all.map(\.name.rawValue), otherwise: "clew --help lists all"))
  }

  private func parse(_ command: CommandSpecification, _ words: [String]) throws(UsageError) -> Request {
    var result = ParsedCommand(command: command, environment: environment)
    var index = 0
    var onlyArguments = false
    while index < words.count {
      let word = words[index]
      index += 1
      if onlyArguments || word == "-" || !word.hasPrefix("-") {
        result.arguments.append(word)
        continue
      }
      if word == "--" {
        onlyArguments = true
        continue
      }
      if word == "--help" || word == "-h" { return .help(command) }
      let (name, inline) = split(word)
      let option = try find(name, in: command)
      guard let kind = option.value else {
        if inline != nil { throw UsageError("--\(option.name) takes no value") }
        result.options[option.name] = []
        continue
      }
      var value = inline
      if value == nil, index < words.count {
        value = words[index]
        index += 1
      }
      guard let value else { throw UsageError("--\(option.name) needs a value: \(option.placeholder)") }
      try Self.check(value, kind, "--\(option.name)")
      if option.repeats {
        result.options[option.name, default: []].append(value)
      } else {
        result.options[option.name] = [value]
      }
    }
    try checkArguments(result)
    try checkEnvironment(result)
    return .run(result)
  }

  private func split(_ word: String) -> (name: String, value: String?) {
    guard word.hasPrefix("--"), let equal = word.firstIndex(of: "=") else { return (word, nil) }
    return (String(word[..<equal]), String(word[word.index(after: equal)...]))
  }

  private func find(_ word: String, in command: CommandSpecification) throws(UsageError) -> CommandOption {
    if word.hasPrefix("--") {
      if let known = command.option(String(word.dropFirst(2))) { return known }
    } else if word.count == 2, let known = command.options.first(where: { $0.short == word.last }) {
      return known
    }
    let names = command.options.map { "--" + $0.name }
    throw UsageError(
      "unknown option \(Printable.quoted(word)) for 'clew \(command.name.rawValue)'",
      hint: Suggestion.hint(word, among: names, otherwise: "clew \(command.name.rawValue) --help lists all"))
  }

  private func checkArguments(_ parsed: ParsedCommand) throws(UsageError) {
    let expected = parsed.command.arguments
    let name = parsed.command.name.rawValue
    if let missing = expected.enumerated().first(where: { $0.element.required && $0.offset >= parsed.arguments.count })
    {
      throw UsageError("'clew \(name)' needs \(missing.element.placeholder)", hint: missing.element.help)
    }
    if parsed.arguments.count > expected.count && expected.last?.repeats != true {
      throw UsageError(
        "'clew \(name)' does not take \(Printable.quoted(parsed.arguments[expected.count]))",
        hint: "clew \(name) --help")
    }
    for (argument, value) in zip(expected, parsed.arguments) {
      try Self.check(value, argument.kind, argument.placeholder)
    }
  }

  /// Variables that stand in for options are checked like the options.
  private func checkEnvironment(_ parsed: ParsedCommand) throws(UsageError) {
    for option in parsed.command.options {
      guard let variable = option.environment, let kind = option.value, parsed.options[option.name] == nil,
        let value = environment[variable], !value.isEmpty
      else { continue }
      try Self.check(value, kind, "the environment variable \(variable)")
    }
  }

  /// What can be checked without opening anything is checked here, before anything is opened.
  private static func check(_ value: String, _ kind: ValueKind, _ what: String) throws(UsageError) {
    let shown = Printable.quoted(value)
    switch kind {
    case .text: return
    case .file, .directory, .url:
      if value.isEmpty { throw UsageError("\(what) must not be empty") }
    case .address:
      if Units.address(value) == nil {
        throw UsageError("\(what) \(shown) is no address", hint: "HOST:PORT, for example 127.0.0.1:9797 or [::1]:0")
      }
    case .choice(let names):
      if !names.contains(value) {
        throw UsageError(
          "\(what) cannot be \(shown)",
          hint: Suggestion.hint(value, among: names, otherwise: "one of " + names.joined(separator: ", ")))
      }
    case .count(let minimum):
      guard let number = Int(value), number >= minimum else {
        throw UsageError("\(what) \(shown) is no whole number of at least \(minimum)")
      }
    case .duration:
      if Units.duration(value) == nil {
        throw UsageError("\(what) \(shown) is no time", hint: "a number with its unit: 250ms, 20s, 5m, 12h, 7d")
      }
    case .bytes:
      if Units.bytes(value) == nil {
        throw UsageError("\(what) \(shown) is no size", hint: "a number with its unit: 512KiB, 64MiB, 10GiB, 1TB")
      }
    case .time:
      if Units.duration(value) == nil && Units.time(value) == nil {
        throw UsageError("\(what) \(shown) is no time", hint: "2026-01-31T12:00:00Z, or '2h' for two hours ago")
      }
    }
  }
}
