/// Help, made from the table.
enum HelpText {
  static let columns = 100

  static func overview() -> String {
    var text = """
      clew \(Version.number): traces, handler metrics and lag of event-sourced systems

      Usage: clew COMMAND [OPTIONS]


      """
    let width = CommandTable.all.map(\.name.rawValue.count).max() ?? 0
    for (title, commands) in groups() {
      text += "\(title):\n"
      for command in commands {
        text += "  \(pad(command.name.rawValue, width))  \(command.summary)\n"
      }
      text += "\n"
    }
    text += """
      clew COMMAND --help explains a command, clew --version prints the version.
      Reading commands work on a directory (--data DIR) or a server (--server URL); without either they ask
      http://127.0.0.1:9797. Exit codes: 0 answered, 1 answered no, 2 could not answer.

      Start here: clew demo

      """
    return text
  }

  static func groups() -> [(title: String, commands: [CommandSpecification])] {
    [("Run", CommandTable.running), ("Read", CommandTable.reading), ("Look after", CommandTable.care)]
  }

  static func command(_ command: CommandSpecification) -> String {
    var text = "clew \(command.name.rawValue): \(command.summary)\n\nUsage: \(usage(command))\n\n\(command.details)\n"
    if !command.arguments.isEmpty {
      text += "\nArguments:\n"
      let rows = command.arguments.map { ($0.placeholder, $0.help) }
      text += table(rows)
    }
    text += "\nOptions:\n" + table((command.options + [Options.help]).map { (label($0), describe($0)) })
    if !command.examples.isEmpty {
      text += "\nExamples:\n" + command.examples.map { "  \($0)\n" }.joined()
    }
    return text
  }

  static func usage(_ command: CommandSpecification) -> String {
    var text = "clew \(command.name.rawValue)"
    for argument in command.arguments {
      let name = argument.placeholder + (argument.repeats ? "…" : "")
      text += argument.required ? " \(name)" : " [\(name)]"
    }
    return text + (command.options.isEmpty ? "" : " [OPTIONS]")
  }

  static func label(_ option: CommandOption) -> String {
    let short = option.short.map { "-\($0), " } ?? ""
    return short + "--\(option.name)" + (option.value == nil ? "" : " \(option.placeholder)")
  }

  private static func describe(_ option: CommandOption) -> String {
    var text = option.help
    if option.repeats { text += " (may be repeated)" }
    if let variable = option.environment { text += " [\(variable)]" }
    return text
  }

  /// Two columns, the second wrapped at words.
  static func table(_ rows: [(String, String)]) -> String {
    let width = min(28, rows.map(\.0.count).max() ?? 0)
    var text = ""
    for (name, help) in rows {
      let lines = wrap(help, columns - width - 4)
      var first = "  " + pad(name, width) + "  "
      if name.count > width {
        text += "  \(name)\n"
        first = "  " + pad("", width) + "  "
      }
      for (index, line) in lines.enumerated() {
        text += (index == 0 ? first : "  " + pad("", width) + "  ") + line + "\n"
      }
    }
    return text
  }

  static func wrap(_ text: String, _ width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return lines + [line]
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
