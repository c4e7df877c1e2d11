import DemoShop
import Platform

/// `clew demo`: a server, a shop, and what to try.
struct DemoCommand {
  /// How long to wait for the first whole flow before saying what to try without ids.
  static let firstSampleSeconds = 15.0

  let parsed: ParsedCommand
  let output: Output
  let style: Style

  func run() throws -> ExitCode {
    var configuration = Configuration()
    if let listen = parsed.value("listen").flatMap(Units.address) {
      (configuration.host, configuration.port) = listen
    } else {
      configuration.port = 0
    }
    if let level = parsed.value("log-level") { configuration.logLevel = level }
    let log = Log(minimum: configuration.minimumLogLevel)
    var temporary: String?
    if let given = parsed.values("data").last {
      configuration.dataDirectory = given
    } else {
      do {
        let made = try Files.makeTemporaryDirectory(prefix: "clew-demo-")
        temporary = made
        configuration.dataDirectory = made
      } catch {
        throw Failure(error.description, hint: "--data DIR says where to keep the demo's events")
      }
    }
    defer { if let temporary { try? Files.removeTree(temporary) } }
    let store = try parsed.value("store").map { url throws(Failure) in try DemoStore(url) }
    if let store {
      try store.prepare()
      configuration.sources = [store.source]
    }
    let sidecar = try Sidecar(configuration, log: log)
    let address = try sidecar.start()
    var options = DemoShop.Options(
      server: address, ordersPerMinute: Double(parsed.count("rate") ?? 120), seed: UInt64(parsed.count("seed") ?? 1))
    if let store {
      options.store = store.access
      options.source = store.name
    }
    let shop = DemoShop(options: options, log: log)
    shop.start()
    defer {
      shop.stop()
      sidecar.stop()
    }
    let end = parsed.value("for").flatMap(Units.duration).map {
      Instant.now.advanced(bySeconds: Double($0) / 1e9)
    }
    let what = store.map { "It writes to \($0.location), and Clew follows that:" } ?? "Clew watches it:"
    try output.write("A small shop is open. \(what)\n\n  \(style.bold(address))\n\n")
    try output.flush()
    return try watch(shop, address, configuration, until: end)
  }

  /// Says what to try as soon as there is a whole flow to look at, then waits for the end.
  private func watch(
    _ shop: DemoShop, _ address: String, _ configuration: Configuration, until end: Instant?
  ) throws -> ExitCode {
    let patience = Instant.now.advanced(bySeconds: Self.firstSampleSeconds)
    var said = false
    while true {
      let progress = shop.progress
      if !said && (progress.historyDone && progress.sample != nil || Instant.now > patience) {
        said = true
        try output.write(DemoGuide.text(address, progress, style))
        try output.flush()
      }
      var deadline = Instant.now.advanced(bySeconds: said ? 60 : 0.1)
      if let end { deadline = min(deadline, end) }
      if let signal = Signals.wait(until: deadline), signal != Signals.hangUp { break }
      if let end, Instant.now >= end { break }
    }
    let progress = shop.progress
    try output.line("The shop closes after \(Humanised.count(progress.events)) events.")
    if let problem = progress.problem ?? progress.groupProblem {
      throw Failure("the shop could not work: \(Printable.escaped(problem))")
    }
    return .answered
  }
}

/// What the demo suggests, with ids that work.
enum DemoGuide {
  static func text(_ address: String, _ progress: DemoShop.Progress, _ style: Style) -> String {
    let server = "--server \(address)"
    var commands: [(String, String)] = []
    if let failed = progress.failedSample {
      commands.append(("clew trace \(failed.correlation) \(server)", "a flow that failed on its way"))
    }
    if let sample = progress.sample {
      commands.append(("clew trace \(sample.correlation) \(server)", "one that went well"))
      commands.append(("clew stream \(sample.stream) \(server)", "one stream"))
    }
    commands += [
      ("clew search failed:true \(server)", "traces with failures"),
      ("clew handlers \(server)", "latency of each handler"),
      ("clew flow \(server)", "what leads to what"), ("clew tail \(server)", "events as they come"),
      ("clew stats \(server)", "how much is stored"),
      ("clew sources \(server)", "what is read, and who else reads it"),
    ]
    var text = "\(Humanised.count(progress.events)) events so far. In another terminal:\n\n"
    for (command, what) in commands { text += "  \(style.cyan(command))\n      \(what)\n" }
    text += "\nOver HTTP:\n\n  \(style.cyan("curl \(address)/metrics"))\n"
    if let sample = progress.sample {
      text += "  \(style.cyan("curl \(address)/api/v1/traces/\(sample.correlation)"))\n"
      text += "  \(style.cyan("curl \(address)/api/v1/events/\(sample.event)"))\n"
    }
    text += "  \(style.cyan("curl \(address)/api/v1/openapi.json"))\n"
    let target = address.split(separator: "/").last.map(String.init) ?? address
    text += """

      For Prometheus:

        scrape_configs:
          - job_name: clew
            scrape_interval: 5s
            static_configs:
              - targets: ['\(target)']

      Ctrl-C closes the shop.

      """
    return text
  }
}
