// Commands whose parts land next.
struct VerifyCommand {
  var parsed: ParsedCommand
  var output: Output
  var style: Style
  func run() throws -> ExitCode { throw Failure("not in this build yet") }
}
