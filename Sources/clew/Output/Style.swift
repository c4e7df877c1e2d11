import Platform

/// Colours, where the reader is a terminal and did not refuse them.
struct Style: Sendable {
  var enabled: Bool

  static let plain = Style(enabled: false)

  /// - Parameter when: `auto`, `always`, `never`.
  init(when: String?, isTerminal: Bool, environment: (String) -> String?) {
    switch when {
    case "always": enabled = true
    case "never": enabled = false
    default:
      enabled =
        isTerminal && (environment("NO_COLOR") ?? "").isEmpty && environment("TERM") != "dumb"
    }
  }

  init(enabled: Bool) { self.enabled = enabled }

  func bold(_ text: String) -> String { paint(text, "1") }
  func dim(_ text: String) -> String { paint(text, "2") }
  func red(_ text: String) -> String { paint(text, "31") }
  func yellow(_ text: String) -> String { paint(text, "33") }
  func cyan(_ text: String) -> String { paint(text, "36") }
  func green(_ text: String) -> String { paint(text, "32") }

  private func paint(_ text: String, _ code: String) -> String {
    enabled && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }
}
