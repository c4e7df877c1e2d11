import Platform

@main struct Clew {
  static func main() {
    ProcessMemory.limitPools(2)
    Signals.prepare()
    let environment = CurrentProcess.environment(prefix: "")
    let code = Program(environment: environment).run(Array(CommandLine.arguments.dropFirst()))
    CurrentProcess.exit(code.rawValue)
  }
}

/// From words to an exit code.
struct Program {
  var environment: [String: String]

  func run(_ words: [String]) -> ExitCode {
    let output = Output()
    do {
      let code = try answer(words, output)
      try output.flush()
      return code
    } catch is BrokenPipe {
      return .answered
    } catch let error as NotFound {
      try? output.flush()
      say(error.message)
      return .answeredNo
    } catch let error as UsageError {
      say("clew: \(error.message)" + (error.hint.isEmpty ? "" : "\n  \(error.hint)"))
    } catch let error as Failure {
      try? output.flush()
      say("clew: \(error.message)" + (error.hint.isEmpty ? "" : "\n  \(error.hint)"))
    } catch {
      try? output.flush()
      say("clew: \(Printable.escaped("\(error)"))")
    }
    return .couldNotAnswer
  }

  private func answer(_ words: [String], _ output: Output) throws -> ExitCode {
    let request = try ArgumentParser(environment: environment).parse(words)
    switch request {
    case .help(nil): try output.write(HelpText.overview())
    case .help(let command?): try output.write(HelpText.command(command))
    case .version: try output.line("clew \(Version.number)")
    case .run(let parsed): return try run(parsed, output)
    }
    return .answered
  }

  private func run(_ parsed: ParsedCommand, _ output: Output) throws -> ExitCode {
    switch parsed.command.name {
    case .completions: try output.write(Completions.text(for: parsed.arguments[0]))
    case .man: try output.write(ManPage.text())
    case .sources where !parsed.arguments.isEmpty:
      Signals.release()
      return try CheckSourceCommand(parsed: parsed, output: output, style: style(parsed)).run()
    case .trace, .search, .stream, .tail, .handlers, .flow, .export, .stats, .sources:
      Signals.release()
      return try read(parsed, output)
    case .verify:
      Signals.release()
      return try VerifyCommand(parsed: parsed, output: output, style: style(parsed)).run()
    case .repair: return try RepairCommand(parsed: parsed, output: output, style: style(parsed)).run()
    case .inspect:
      Signals.release()
      return try InspectCommand(parsed: parsed, output: output).run()
    case .import: return try ImportCommand(parsed: parsed, output: output).run()
    case .serve: return try ServeCommand(parsed: parsed, output: output).run()
    case .demo: return try DemoCommand(parsed: parsed, output: output, style: style(parsed)).run()
    }
    return .answered
  }

  private func read(_ parsed: ParsedCommand, _ output: Output) throws -> ExitCode {
    let context = ReadingContext(
      parsed: parsed, source: try AnswerSources.open(parsed), output: output, style: style(parsed), note: say)
    switch parsed.command.name {
    case .trace: try TraceCommand(context: context).run()
    case .search: return try SearchCommand(context: context).run()
    case .stream: try StreamCommand(context: context).run()
    case .tail: try TailCommand(context: context).run()
    case .handlers: try StatisticsCommands(context: context).handlers()
    case .flow: try StatisticsCommands(context: context).flow()
    case .stats: try StatisticsCommands(context: context).stats()
    case .sources: try StatisticsCommands(context: context).sources()
    default: try ExportCommand(context: context).run()
    }
    return .answered
  }

  private func style(_ parsed: ParsedCommand) -> Style {
    Style(
      when: parsed.value("color"), isTerminal: FileDescriptor.standardOutput.isTerminal,
      environment: { environment[$0] })
  }

  private func say(_ text: String) { FileDescriptor.standardError.writeIgnoringErrors(text + "\n") }
}
