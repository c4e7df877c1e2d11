import Testing

@testable import clew

@Suite("Command line") struct ArgumentParserTests {
  func parse(_ words: String, _ environment: [String: String] = [:]) throws(UsageError) -> ParsedCommand {
    let request = try ArgumentParser(environment: environment).parse(words.split(separator: " ").map(String.init))
    guard case .run(let parsed) = request else { throw UsageError("not a command") }
    return parsed
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    var words: String
    var says: String
    var hint = ""
    var testDescription: String { words }
  }

  @Test(arguments: [
    Refused(words: "serv", says: "unknown command 'serv'", hint: "'serve'"),
    Refused(words: "--data x stats", says: "unknown option '--data'", hint: "command comes first"),
    Refused(words: "import - --dta x", says: "unknown option '--dta'", hint: "'--data'"),
    Refused(words: "trace", says: "needs ID"),
    Refused(words: "trace a b", says: "does not take 'b'"),
    Refused(words: "import", says: "needs FILE"),
    Refused(words: "export event", says: "KIND cannot be 'event'", hint: "'events'"),
    Refused(words: "completions powershell", says: "cannot be 'powershell'", hint: "bash, zsh, fish"),
    Refused(words: "trace x --limit", says: "--limit needs a value"),
    Refused(words: "trace x --limit 0", says: "no whole number of at least 1"),
    Refused(words: "trace x --all=yes", says: "--all takes no value"),
    Refused(words: "search --since yesterday", says: "is no time", hint: "2h"),
    Refused(words: "search --min-duration 5", says: "is no time", hint: "250ms"),
    Refused(words: "serve --listen localhost", says: "is no address"),
    Refused(words: "serve --retention-size big", says: "is no size", hint: "10GiB"),
    Refused(words: "demo --for ever", says: "is no time"),
    Refused(words: "projections", says: "this version has no 'projections'"),
    Refused(words: "lint", says: "this version has no 'lint'"),
    Refused(words: "sources czech kurrentdb://x", says: "cannot be 'czech'", hint: "check"),
  ])
  func `what is not understood is refused with a hint`(_ refused: Refused) {
    let error = #expect(throws: UsageError.self) { try parse(refused.words) }
    #expect(error?.message.contains(refused.says) == true, "\(String(describing: error))")
    #expect(error?.hint.contains(refused.hint) == true || refused.hint.isEmpty, "\(String(describing: error))")
  }

  @Test func `options may stand anywhere, with a blank or an equals sign, and the last one counts`() throws {
    let parsed = try parse("search --limit 5 failed:true --limit=7 type:A --json")
    #expect(parsed.arguments == ["failed:true", "type:A"])
    #expect(parsed.count("limit") == 7)
    #expect(parsed.has("json") && !parsed.has("payload"))
  }

  @Test func `repeated options are all kept`() throws {
    #expect(try parse("serve --source a --source=b").values("source") == ["a", "b"])
  }

  @Test func `a single dash is an argument, and two dashes end the options`() throws {
    #expect(try parse("import - --data d").arguments == ["-"])
    #expect(try parse("trace -- --id").arguments == ["--id"])
  }

  @Test func `the environment stands in for an option and is checked like it`() throws {
    #expect(try parse("stats", ["CLEW_SERVER": "http://h"]).value("server") == "http://h")
    #expect(try parse("stats --server http://x", ["CLEW_SERVER": "http://h"]).value("server") == "http://x")
    #expect(try parse("stats", ["CLEW_SERVER": ""]).value("server") == nil)
    let error = #expect(throws: UsageError.self) { try parse("stats", ["CLEW_COLOR": "pink"]) }
    #expect(error?.message.contains("CLEW_COLOR") == true)
  }

  @Test func `hostile words cannot write to the terminal through a message`() {
    let error = #expect(throws: UsageError.self) {
      try ArgumentParser().parse(["\u{1b}]0;owned\u{7}", "x"])
    }
    #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 0x20 } == true)
  }

  @Test func `help and version are asked for in the usual ways`() throws {
    for words in [[], ["--help"], ["-h"], ["help"]] {
      guard case .help(nil) = try ArgumentParser().parse(words) else { Issue.record("\(words)"); continue }
    }
    for words in [["trace", "--help"], ["help", "trace"], ["trace", "x", "-h"]] {
      guard case .help(let command?) = try ArgumentParser().parse(words) else { Issue.record("\(words)"); continue }
      #expect(command.name == .trace)
    }
    guard case .version = try ArgumentParser().parse(["--version"]) else {
      Issue.record("no version")
      return
    }
  }

  @Test(arguments: [("serv", "serve"), ("exprot", "export"), ("hanlders", "handlers"), ("TRACE", "trace")])
  func `the nearest name is suggested`(_ typed: String, _ meant: String) {
    #expect(Suggestion.nearest(typed, among: CommandName.allCases.map(\.rawValue)) == meant)
  }

  @Test func `nothing is suggested where nothing is near`() {
    #expect(Suggestion.nearest("xyzzy", among: CommandName.allCases.map(\.rawValue)) == nil)
    #expect(Suggestion.distance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
    #expect(Suggestion.distance(Array("ab".utf8), Array("ba".utf8)) == 1)
    #expect(Suggestion.distance([], Array("abc".utf8)) == 3)
  }
}
