/// What a value on the command line is: the parser checks it, completions offer what fits.
enum ValueKind: Sendable, Equatable {
  case text, file, directory, url, address
  case choice([String])
  /// A number of at least the given minimum.
  case count(Int)
  /// `250ms`, `7d`: see `Units`.
  case duration
  case bytes
  /// RFC 3339, or a duration, which means "that long ago".
  case time
}

/// One option: from this record come parsing, help, completions, the man page, and the environment name.
struct CommandOption: Sendable {
  /// Without the dashes.
  var name: String
  var short: Character?
  /// nil: a flag without value.
  var value: ValueKind?
  var placeholder = "VALUE"
  var repeats = false
  /// The environment variable that stands in where the option is not given.
  var environment: String?
  var help: String

  static func flag(_ name: String, short: Character? = nil, _ help: String) -> CommandOption {
    CommandOption(name: name, short: short, value: nil, help: help)
  }

  static func value(
    _ name: String, _ kind: ValueKind, _ placeholder: String, repeats: Bool = false, environment: String? = nil,
    _ help: String
  ) -> CommandOption {
    CommandOption(
      name: name, value: kind, placeholder: placeholder, repeats: repeats, environment: environment, help: help)
  }
}

/// A word that is no option.
struct CommandArgument: Sendable {
  var placeholder: String
  var kind: ValueKind
  var required = true
  var repeats = false
  var help: String
}

/// One command with all it takes.
struct CommandSpecification: Sendable {
  var name: CommandName
  /// One line for `clew --help`.
  var summary: String
  /// Paragraphs for `clew NAME --help` and the man page.
  var details: String
  var arguments: [CommandArgument] = []
  var options: [CommandOption] = []
  var examples: [String] = []

  func option(_ name: String) -> CommandOption? { options.first { $0.name == name } }
}

/// Every command, in the order of the help.
enum CommandName: String, CaseIterable, Sendable {
  case demo, serve, `import`
  case trace, search, stream, tail, handlers, flow, export, stats, sources
  case inspect, verify, repair
  case completions, man
}

/// Commands that the design names and this version does not have: asked for, they say so instead of being unknown.
enum LaterCommands {
  static let names = ["projections", "lint"]

  static func answer(_ name: String) -> UsageError {
    let instead =
      switch name {
      case "projections": "watch handlers with 'clew handlers' and the clew_handler_ metrics"
      default: "the clew_causation_ metrics count missing and dangling causes"
      }
    return UsageError("this version has no '\(name)' command", hint: instead)
  }
}

/// The command line was not understood: exit code 2.
struct UsageError: Error, Equatable {
  var message: String
  var hint: String

  init(_ message: String, hint: String = "") {
    self.message = message
    self.hint = hint
  }
}

enum Version {
  static let number = "0.1.0"
}
