import EventSource
import Ingest
import Platform
import SegmentStore
import TraceStore
import WireFormats

/// `clew import`.
struct ImportCommand {
  /// More than this is sealed before the command ends, so that a plain import leaves a compact directory.
  static let sealEventCount = 100_000
  /// Refusals that are printed; all are counted.
  static let refusalsShownMax = 100

  let parsed: ParsedCommand
  let output: Output

  func run() throws -> ExitCode {
    let configuration = try ConfigurationLoader.loadValid(parsed)
    let inputs = try open(parsed.arguments)
    let log = Log(minimum: .warning)
    var options = configuration.storeOptions
    // A file can wait: one hot file less in memory costs an import no time, because sealing is what it waits for.
    options.sealBacklogMax = 1
    let store = try StoreFactory.open(configuration.dataDirectory, options, log)
    let pipeline = IngestPipeline(store: store, log: log)
    pipeline.start()
    let interruption = Interruption()
    var report = ImportReport(filesCount: inputs.count)
    let clockStart = Instant.now
    for input in inputs where report.failure == nil && !interruption.isRequested {
      read(input, configuration, pipeline, interruption, &report)
    }
    report.seconds = Instant.now.seconds(since: clockStart)
    if report.failure == nil, report.counts.accepted > 0,
      report.counts.accepted > Self.sealEventCount || parsed.has("seal")
    {
      let isTerminal = FileDescriptor.standardError.isTerminal
      if isTerminal { FileDescriptor.standardError.writeIgnoringErrors("sealing…") }
      do { try pipeline.seal() } catch { report.failure = Failure(error) }
      if isTerminal { FileDescriptor.standardError.writeIgnoringErrors("\r\u{1b}[K") }
    }
    report.secondsWithSeal = Instant.now.seconds(since: clockStart)
    interruption.end()
    pipeline.stop()
    store.close()
    return try finish(report, interrupted: interruption.isRequested)
  }

  private struct Input {
    var name: String
    var file: FileDescriptor

    /// The name without its directories.
    var label: String { name.split(separator: "/").last.map(String.init) ?? name }
  }

  /// All files are opened before anything is stored: a mistyped name costs nothing.
  private func open(_ paths: [String]) throws(Failure) -> [Input] {
    if paths.count(where: { $0 == "-" }) > 1 { throw Failure("standard input can be read only once") }
    var inputs: [Input] = []
    for path in paths {
      do {
        let file = path == "-" ? FileDescriptor.standardInput : try FileDescriptor.openForReading(path)
        if try file.status().isDirectory {
          throw Failure("\(Printable.quoted(path, limit: 500)) is a directory", hint: "name the files inside it")
        }
        inputs.append(Input(name: path == "-" ? "standard input" : path, file: file))
      } catch let error as FileError {
        throw Failure(
          Printable.escaped(error.description), hint: "nothing was stored; check the name and the permissions")
      } catch let error as Failure {
        throw error
      } catch {
        throw Failure("\(error)")
      }
    }
    return inputs
  }

  private func read(
    _ input: Input, _ configuration: Configuration, _ pipeline: IngestPipeline, _ interruption: Interruption,
    _ report: inout ImportReport
  ) {
    var file = input.file
    let isPipe = (try? input.file.status())?.isRegular == false
    let pump = isPipe ? try? InputPump(input.file) : nil
    if let pump {
      file = pump.output
      interruption.onRequest { pump.stop() }
    }
    defer { pump?.stop() }
    let reader = EventFileReader(file: file, rules: configuration.reading.rules())
    let progress = ProgressLine(label: input.label, isShown: FileDescriptor.standardError.isTerminal)
    var shown = 0
    let result = pipeline.importEvents(
      from: reader, source: parsed.value("source-name") ?? "default", waitsForSpace: isPipe,
      isCancelled: { interruption.isRequested }
    ) { state in
      shown = say(state.counts, input.name, shown, progress, report)
      progress.update(
        bytesRead: state.bytesRead, bytesTotal: state.bytesTotal,
        events: state.counts.accepted + state.counts.duplicate + state.counts.conflict)
    }
    _ = say(result.counts, input.name, shown, progress, report)
    progress.end()
    report.add(result.counts, file: input.name)
    switch result.failure {
    case nil: break
    case .store(let error): report.failure = Failure(error)
    case .unreadable(let error):
      let message = error.message.contains(input.name) ? error.message : "\(input.name): \(error.message)"
      report.failure = Failure(Printable.escaped(message), hint: Printable.escaped(error.hint))
    case .overloaded: report.failure = Failure("the store is overloaded", hint: "import again; nothing is stored twice")
    }
  }

  /// New refusals to standard error, up to a bound over all files.
  private func say(
    _ counts: IngestCounts, _ name: String, _ shown: Int, _ progress: ProgressLine, _ report: ImportReport
  ) -> Int {
    let allowed = min(counts.refusals.count, max(0, Self.refusalsShownMax - report.refusals.count))
    guard allowed > shown else { return shown }
    progress.clear()
    for refusal in counts.refusals[shown..<allowed] {
      FileDescriptor.standardError.writeIgnoringErrors(
        "\(Printable.escaped(name)):\(refusal.line): \(Printable.cut(Printable.escaped(refusal.reason), 500))\n")
    }
    return allowed
  }

  private func finish(_ report: ImportReport, interrupted: Bool) throws -> ExitCode {
    let left = report.counts.refused - min(report.refusals.count, Self.refusalsShownMax)
    if left > 0 {
      FileDescriptor.standardError.writeIgnoringErrors("… \(Humanised.count(left)) more lines were refused\n")
    }
    if parsed.has("json") { try output.write(report.json() + [0x0a]) } else { try output.write(report.text()) }
    try output.flush()
    if let failure = report.failure {
      let kept = "\(Humanised.count(report.counts.accepted)) events were stored and are kept"
      throw Failure(failure.message, hint: failure.hint.isEmpty ? kept : "\(kept)\n  \(failure.hint)")
    }
    if interrupted {
      throw Failure(
        "interrupted; \(Humanised.count(report.counts.accepted)) events were stored and are kept",
        hint: "import the same files again: what is known is counted as duplicate")
    }
    return parsed.has("strict") && report.counts.refused > 0 ? .answeredNo : .answered
  }
}

/// Watches for SIGINT and SIGTERM while an import runs.
final class Interruption: Sendable {
  private struct State {
    var requested = false
    var ended = false
    var actions: [@Sendable () -> Void] = []
  }

  private let state = Locked(State())
  private let watcher = Locked<WorkerThread?>(nil)

  init() {
    let thread = WorkerThread(name: "clew-signals") { [state] in
      while !state.withLock({ $0.ended }) {
        guard let signal = Signals.wait(until: Instant.now.advanced(bySeconds: 0.1)), signal != Signals.hangUp else {
          continue
        }
        let actions = state.withLock { state -> [@Sendable () -> Void] in
          state.requested = true
          defer { state.actions = [] }
          return state.actions
        }
        for action in actions { action() }
      }
    }
    watcher.withLock { $0 = thread }
  }

  var isRequested: Bool { state.withLock { $0.requested } }

  /// Called once, from the watching thread, when a signal comes; at once if it came before.
  func onRequest(_ action: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state -> Bool in
      if !state.requested { state.actions.append(action) }
      return state.requested
    }
    if isLate { action() }
  }

  /// Joins the watching thread.
  func end() {
    state.withLock { $0.ended = true }
    watcher.withLock { thread in
      defer { thread = nil }
      return thread
    }?.join()
  }
}
