import TestSupport
import Testing

@testable import clew

@Suite("Command table") struct CommandTableTests {
  @Test func `every command has one entry, a summary and unique options`() {
    #expect(CommandTable.all.map(\.name.rawValue).sorted() == CommandName.allCases.map(\.rawValue).sorted())
    for command in CommandTable.all {
      #expect(!command.summary.isEmpty && !command.details.isEmpty)
      let names = command.options.map(\.name)
      #expect(Set(names).count == names.count, "\(command.name)")
      for option in command.options { #expect(option.name.allSatisfy { $0.isLowercase || $0 == "-" }) }
    }
  }

  @Test func `options of serve that configure something are keys of the configuration`() {
    let direct: Set<String> = ["config", "source", "profile", "check"]
    let keys = Set(ConfigurationKeys.all.compactMap(\.option))
    #expect(Set(CommandTable.serveOptions.map(\.name)).subtracting(direct) == keys)
  }

  @Test func `the help of a command is the expected text`() {
    let expected = """
      clew flow: which event types lead to which, by which handler

      Usage: clew flow [OPTIONS]

      One row for each pair of cause and effect, the most frequent first.

      Options:
        --since TIME        only what was created at or after TIME (RFC 3339, or '2h' for two hours ago)
        --until TIME        only what was created before TIME (RFC 3339, or '10m' for ten minutes ago)
        --data DIR          read this data directory, also while a server has it open [CLEW_DATA]
        --server URL        ask this server; without --data and --server: http://127.0.0.1:9797
                            [CLEW_SERVER]
        --token-file FILE   file with the bearer token for --server (or the token itself in CLEW_TOKEN)
                            [CLEW_TOKEN_FILE]
        --ca-file FILE      certificates to trust for --server, PEM [CLEW_CA_FILE]
        --client-cert FILE  client certificate for --server, PEM [CLEW_CLIENT_CERT]
        --client-key FILE   key of the client certificate, PEM [CLEW_CLIENT_KEY]
        --json              print the API's JSON instead of text
        --color WHEN        colours: auto (on a terminal, unless NO_COLOR is set), always, never
                            [CLEW_COLOR]
        -h, --help          explain the command

      Examples:
        clew flow --since 1h

      """
    #expect(HelpText.command(CommandTable.command("flow")!) == expected)
  }

  @Test func `the overview names every command, and no line is too long`() {
    let overview = HelpText.overview()
    for name in CommandName.allCases { #expect(overview.contains("\n  \(name.rawValue) ")) }
    for command in CommandTable.all {
      for line in HelpText.command(command).split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }
  }

  @Test func `bash accepts its completions and completes commands, options and values`() throws {
    let script = Completions.bash()
    #expect(try ChildProcess.run("bash", ["-n"], input: Array(script.utf8)).exitCode == 0)
    func complete(_ words: String...) throws -> String {
      let quoted = words.map { "'\($0)'" }.joined(separator: " ")
      let ask = script + "\nCOMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count - 1); _clew; echo \"${COMPREPLY[*]}\"\n"
      return try ChildProcess.run("bash", [], input: Array(ask.utf8)).outputText.split(separator: "\n").joined()
    }
    #expect(try complete("clew", "tra") == "trace")
    #expect(try complete("clew", "export", "") == "events traces edges")
    #expect(try complete("clew", "import", "--se") == "--seal")
    #expect(try complete("clew", "serve", "--durability", "p") == "process power")
  }

  @Test func `zsh and fish get every command and option`() {
    for script in [Completions.zsh(), Completions.fish()] {
      for command in CommandTable.all {
        #expect(script.contains(command.name.rawValue))
        for option in command.options { #expect(script.contains(option.name)) }
      }
    }
  }

  @Test func `the manual page names every command, option and variable, and begins no text line with a dot`() {
    let page = ManPage.text()
    #expect(page.hasPrefix(".TH CLEW 1"))
    for command in CommandTable.all {
      #expect(page.contains(".SS clew \(command.name.rawValue)"))
      for option in command.options { #expect(page.contains("\\-\\-" + ManPage.escape(option.name))) }
    }
    let requests: Set<Substring> = [".TH", ".SH", ".SS", ".B", ".I", ".TP", ".P", ".nf", ".fi"]
    for line in page.split(separator: "\n") where line.hasPrefix(".") {
      #expect(requests.contains(line.prefix { $0 != " " }), "\(line)")
    }
    #expect(ManPage.escape(".x \\ -") == "\\&.x \\e \\-")
  }
}
