/// Completions for three shells, made from the table.
enum Completions {
  static func text(for shell: String) -> String {
    switch shell {
    case "bash": bash()
    case "zsh": zsh()
    default: fish()
    }
  }

  // MARK: bash

  static func bash() -> String {
    let commands = CommandTable.all.map(\.name.rawValue).joined(separator: " ")
    var text = """
      # bash completion for clew; made by: clew completions bash
      _clew() {
        local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"
        COMPREPLY=()
        if [ "$COMP_CWORD" -eq 1 ]; then
          COMPREPLY=($(compgen -W "\(commands) --help --version" -- "$current"))
          return
        fi
        case "$command:$previous" in

      """
    for command in CommandTable.all {
      for option in command.options {
        guard let kind = option.value, let action = bashAction(kind) else { continue }
        text += "    \(command.name.rawValue):--\(option.name)) \(action); return ;;\n"
      }
    }
    text += "  esac\n  case \"$command\" in\n"
    for command in CommandTable.all {
      let options = (command.options.map { "--\($0.name)" } + ["--help"]).joined(separator: " ")
      var action = ":"
      if let kind = command.arguments.last?.kind { action = bashAction(kind) ?? ":" }
      text += """
            \(command.name.rawValue))
              case "$current" in
                -*) COMPREPLY=($(compgen -W "\(options)" -- "$current")) ;;
                *) \(action) ;;
              esac ;;

        """
    }
    return text + "  esac\n}\ncomplete -F _clew clew\n"
  }

  private static func bashAction(_ kind: ValueKind) -> String? {
    switch kind {
    case .choice(let names):
      "COMPREPLY=($(compgen -W \"\(names.joined(separator: " "))\" -- \"$current\"))"
    case .file: "COMPREPLY=($(compgen -f -- \"$current\"))"
    case .directory: "COMPREPLY=($(compgen -d -- \"$current\"))"
    default: nil
    }
  }

  // MARK: zsh

  static func zsh() -> String {
    var text = """
      #compdef clew
      # zsh completion for clew; made by: clew completions zsh
      _clew() {
        local -a commands
        commands=(

      """
    for command in CommandTable.all { text += "    \(single("\(command.name.rawValue):\(command.summary)"))\n" }
    text += """
        )
        if (( CURRENT == 2 )); then
          _describe -t commands 'clew command' commands
          _arguments '--help[explain]' '--version[print the version]'
          return
        fi
        local command="${words[2]}"
        shift words
        (( CURRENT-- ))
        case "$command" in

      """
    for command in CommandTable.all {
      text += "    \(command.name.rawValue))\n      _arguments"
      for option in command.options { text += " \\\n        " + zshOption(option) }
      text += " \\\n        '--help[explain the command]'"
      for (index, argument) in command.arguments.enumerated() {
        let place = argument.repeats ? "*" : "\(index + 1)"
        text += " \\\n        " + single("\(place):\(zshSafe(argument.placeholder)):\(zshAction(argument.kind))")
      }
      text += " ;;\n"
    }
    return text + "  esac\n}\n_clew \"$@\"\n"
  }

  private static func zshOption(_ option: CommandOption) -> String {
    let star = option.repeats ? "*" : ""
    let help = "[\(zshSafe(option.help))]"
    guard let kind = option.value else { return single("--\(option.name)\(help)") }
    return single("\(star)--\(option.name)=\(help):\(zshSafe(option.placeholder)):\(zshAction(kind))")
  }

  private static func zshAction(_ kind: ValueKind) -> String {
    switch kind {
    case .choice(let names): "(\(names.joined(separator: " ")))"
    case .file: "_files"
    case .directory: "_files -/"
    default: " "
    }
  }

  private static func zshSafe(_ text: String) -> String {
    var safe = ""
    for character in text {
      if "[]:\\".contains(character) { safe.append("\\") }
      safe.append(character)
    }
    return safe
  }

  // MARK: fish

  static func fish() -> String {
    var text = "# fish completion for clew; made by: clew completions fish\ncomplete -c clew -f\n"
    text += "complete -c clew -n __fish_use_subcommand -l help -d 'explain'\n"
    text += "complete -c clew -n __fish_use_subcommand -l version -d 'print the version'\n"
    for command in CommandTable.all {
      let name = command.name.rawValue
      text += "complete -c clew -n __fish_use_subcommand -a \(name) -d \(fishQuoted(command.summary))\n"
      let seen = "-n '__fish_seen_subcommand_from \(name)'"
      for option in command.options {
        text += "complete -c clew \(seen) -l \(option.name)\(fishValue(option.value)) -d \(fishQuoted(option.help))\n"
      }
      for argument in command.arguments where fishValue(argument.kind) != " -x" {
        text += "complete -c clew \(seen)\(fishValue(argument.kind).replacingPrefix(" -r", with: ""))\n"
      }
    }
    return text
  }

  private static func fishValue(_ kind: ValueKind?) -> String {
    switch kind {
    case nil: ""
    case .choice(let names): " -x -a '\(names.joined(separator: " "))'"
    case .file: " -r -F"
    case .directory: " -x -a '(__fish_complete_directories)'"
    default: " -x"
    }
  }

  private static func fishQuoted(_ text: String) -> String {
    var safe = "'"
    for character in text {
      if character == "'" || character == "\\" { safe.append("\\") }
      safe.append(character)
    }
    return safe + "'"
  }

  /// In single quotes for bash and zsh.
  private static func single(_ text: String) -> String {
    var safe = "'"
    for character in text { safe += character == "'" ? "'\\''" : String(character) }
    return safe + "'"
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
    hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
  }
}
