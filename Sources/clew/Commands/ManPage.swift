/// The manual page in roff, made from the table.
enum ManPage {
  static func text() -> String {
    var page = """
      .TH CLEW 1 "" "clew \(Version.number)" "User Commands"
      .SH NAME
      clew \\- traces, handler metrics and lag of event-sourced systems
      .SH SYNOPSIS
      .B clew
      .I COMMAND
      [\\fIOPTIONS\\fR]
      .SH DESCRIPTION
      Clew subscribes to the event stream of an event-sourced system, indexes every event by correlation and
      causation id into compressed segments, computes latency and failures of each handler, and serves trace trees
      and a Prometheus endpoint.

      """
    for (title, commands) in HelpText.groups() {
      page += ".SH \(title.uppercased())\n"
      for command in commands { page += section(command) }
    }
    page += ".SH ENVIRONMENT\n"
    for (variable, help) in variables() { page += ".TP\n.B \(escape(variable))\n\(escape(help))\n" }
    page += """
      .SH EXIT STATUS
      0 answered; 1 answered no (no such trace, damage found); 2 could not answer. A broken pipe counts as 0.
      .SH FILES
      The configuration file of \\fBclew serve\\fR is described in docs/CONFIGURATION.md.

      """
    return page
  }

  private static func section(_ command: CommandSpecification) -> String {
    var text = ".SS \(escape(HelpText.usage(command)))\n\(escape(command.details))\n"
    for argument in command.arguments {
      text += ".TP\n.I \(escape(argument.placeholder))\n\(escape(argument.help))\n"
    }
    for option in command.options {
      text += ".TP\n.B \(escape(HelpText.label(option)))\n\(escape(option.help))\n"
    }
    if !command.examples.isEmpty {
      text += ".P\nExamples:\n.nf\n" + command.examples.map { escape($0) + "\n" }.joined() + ".fi\n"
    }
    return text
  }

  /// Every environment variable that an option names, and those that no option names, by name.
  static func variables() -> [(String, String)] {
    var all: [String: String] = [
      "CLEW_TOKEN": "bearer token for --server", "NO_COLOR": "no colours, if set to anything",
    ]
    for option in CommandTable.all.flatMap(\.options) {
      if let variable = option.environment { all[variable] = "as --\(option.name): \(option.help)" }
    }
    return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Backslashes, and lines that roff would take for requests.
  static func escape(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var safe = ""
      for character in line {
        switch character {
        case "\\": safe += "\\e"
        case "-": safe += "\\-"
        default: safe.append(character)
        }
      }
      return safe.hasPrefix(".") || safe.hasPrefix("'") ? "\\&" + safe : safe
    }.joined(separator: "\n")
  }
}
