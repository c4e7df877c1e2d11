import HandlerMetrics
import Platform
import PrometheusText

/// What the kernel says of this process (`/proc/self`); nil where it does not say.
struct ProcessFigures {
  var startSeconds: Double?
  var cpuSeconds: Double?
  var residentBytes: Double?
  var openFiles: Double?
  var maxFiles: Double?

  /// Times in `/proc` count hundredths of a second on every architecture (USER_HZ).
  private static let ticksPerSecond = 100.0

  static func read() -> ProcessFigures {
    var figures = ProcessFigures()
    if let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") {
      // The name in parentheses may hold anything; what is behind it is separated by blanks, from field 3 on.
      let fields = stat[stat.index(after: end)...].split(separator: " ")
      if fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]) {
        figures.cpuSeconds = (user + system) / ticksPerSecond
      }
      if fields.count > 21, let ticks = Double(fields[19]), let boot = number("/proc/stat", "btime ") {
        figures.startSeconds = boot + ticks / ticksPerSecond
      }
    }
    figures.residentBytes = number("/proc/self/status", "VmRSS:").map { $0 * 1024 }
    figures.openFiles = (try? Files.list("/proc/self/fd")).map { Double($0.count) }
    figures.maxFiles = number("/proc/self/limits", "Max open files")
    return figures
  }

  func add(to page: inout MetricPage) {
    let samples: [(MetricFamily, Double?)] = [
      (MetricCatalogue.processStartTime, startSeconds), (MetricCatalogue.processCPU, cpuSeconds),
      (MetricCatalogue.processResidentMemory, residentBytes), (MetricCatalogue.processOpenFDs, openFiles),
      (MetricCatalogue.processMaxFDs, maxFiles),
    ]
    for case (let family, let value?) in samples { page.add(family, value: value) }
  }

  private static func text(_ path: String) -> String? {
    (try? Files.read(path, bytesMax: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The first number of the line that begins with `label`.
  private static func number(_ path: String, _ label: String) -> Double? {
    guard let line = text(path)?.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return nil }
    return line.dropFirst(label.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first.flatMap { Double($0) }
  }
}
