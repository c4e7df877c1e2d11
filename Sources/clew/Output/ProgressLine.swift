import Platform

/// One line on standard error that is drawn again and again, on a terminal only.
final class ProgressLine {
  private static let drawSeconds = 0.1
  private static let barCells = 20

  private let label: String
  private let isShown: Bool
  private let start = Instant.now
  private var drawn: Instant?

  init(label: String, isShown: Bool) {
    self.label = Printable.cut(Printable.escaped(label), 30)
    self.isShown = isShown
  }

  func update(bytesRead: Int, bytesTotal: Int?, events: Int) {
    guard isShown, drawn.map({ Instant.now.seconds(since: $0) >= Self.drawSeconds }) ?? true else { return }
    drawn = .now
    let line = Self.text(
      label: label, bytesRead: bytesRead, bytesTotal: bytesTotal, events: events,
      seconds: Instant.now.seconds(since: start))
    let columns = FileDescriptor.standardError.terminalColumns ?? 80
    FileDescriptor.standardError.writeIgnoringErrors("\r\u{1b}[K" + Printable.cut(line, max(20, columns - 1)))
  }

  /// Makes room for other lines.
  func clear() {
    if drawn != nil { FileDescriptor.standardError.writeIgnoringErrors("\r\u{1b}[K") }
    drawn = nil
  }

  func end() { clear() }

  static func text(label: String, bytesRead: Int, bytesTotal: Int?, events: Int, seconds: Double) -> String {
    var text = label
    if let total = bytesTotal, total > 0 {
      let share = min(1, Double(bytesRead) / Double(total))
      let full = Int(share * Double(barCells))
      let bar = String(repeating: "#", count: full) + String(repeating: "-", count: barCells - full)
      text += " [\(bar)] \(Int(share * 100)) %"
    }
    text += "  \(Humanised.bytes(Double(bytesRead)))  \(Humanised.count(events)) events"
    if seconds > 0.2 { text += "  \(Humanised.count(Int(Double(events) / seconds)))/s" }
    return text
  }
}
