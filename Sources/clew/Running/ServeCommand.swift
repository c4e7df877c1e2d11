import Platform

/// `clew serve`.
struct ServeCommand {
  let parsed: ParsedCommand
  let output: Output

  func run() throws -> ExitCode {
    let outcome = try ConfigurationLoader.load(parsed)
    if parsed.has("check") { return try check(outcome) }
    if !outcome.mistakes.isEmpty { throw ConfigurationLoader.failure(outcome.mistakes) }
    let configuration = outcome.configuration
    ProcessMemory.returnPromptly()
    let log = Log(minimum: configuration.minimumLogLevel)
    for remark in outcome.remarks { log.warning("configuration", remark) }
    if configuration.insecure { log.warning("serve", "--insecure: everybody who reaches the port may read and write") }
    let sidecar = try Sidecar(configuration, log: log)
    _ = try sidecar.start()
    // Reading what is not sealed needs more for a moment than knowing it.
    ProcessMemory.returnUnused()
    while true {
      let signal = Signals.wait()
      if signal != Signals.hangUp {
        log.info("serve", "stopping: \(signal == Signals.terminate ? "SIGTERM" : "SIGINT")")
        break
      }
      // The server looks at token and TLS files every second; a hang-up needs no further work.
      log.info("serve", "SIGHUP: token and TLS files are read again")
    }
    sidecar.stop()
    log.info("serve", "stopped; everything acknowledged is stored")
    return .answered
  }

  private func check(_ outcome: ConfigurationLoader.Outcome) throws -> ExitCode {
    for remark in outcome.remarks { FileDescriptor.standardError.writeIgnoringErrors("note: \(remark)\n") }
    if !outcome.mistakes.isEmpty { throw ConfigurationLoader.failure(outcome.mistakes) }
    let made = outcome.configuration
    func shown(_ secret: SecretSetting?) -> String { secret?.description ?? "not set" }
    try output.line("the configuration is valid")
    for (name, value) in [
      ("data", made.dataDirectory), ("listen", "\(made.host):\(made.port)"),
      ("tls", made.tlsCertificateFile ?? "not set"), ("client CA", made.tlsClientCAFile ?? "not set"),
      ("write token", shown(made.writeToken)), ("read token", shown(made.readToken)),
    ] {
      try output.line("  \(HelpText.pad(name, 12))  \(Printable.escaped(value))")
    }
    for source in made.sources {
      try output.line("  \(HelpText.pad("source", 12))  \(Printable.escaped(source.name ?? source.url))")
    }
    return .answered
  }
}
