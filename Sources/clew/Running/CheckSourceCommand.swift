import EventSource
import KurrentDBSource
import Platform
import WireFormats

/// `clew sources check URL`: what works with a source, in plain words.
struct CheckSourceCommand {
  let parsed: ParsedCommand
  let output: Output
  let style: Style

  func run() throws -> ExitCode {
    guard parsed.arguments.count == 2 else {
      throw UsageError("'clew sources check' needs URL", hint: "clew sources check 'kurrentdb://host:2113'")
    }
    let findings = try self.findings(parsed.arguments[1])
    if parsed.has("json") {
      try output.write(Self.json(findings) + [0x0a])
    } else {
      for finding in findings { try output.line(text(finding)) }
    }
    return findings.contains { $0.state == .fails } ? .answeredNo : .answered
  }

  private func findings(_ url: String) throws -> [SourceCheck.Finding] {
    if KurrentDBAddress.claims(url) {
      do {
        return SourceCheck(try KurrentDBAddress.parse(url)).run()
      } catch {
        throw Failure(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
      }
    }
    let parsed: SourceURL
    do {
      parsed = try SourceURL.parse(url)
    } catch {
      throw Failure(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
    }
    guard case .file(let path, _) = parsed.kind else {
      return [
        SourceCheck.Finding(topic: "input", state: .works, text: "the standard input is read to its end", hint: "")
      ]
    }
    do {
      let bytes = try FileDescriptor.openForReading(path).size()
      return [SourceCheck.Finding(topic: "file", state: .works, text: "can be read, \(bytes) bytes", hint: "")]
    } catch {
      return [
        SourceCheck.Finding(
          topic: "file", state: .fails, text: error.description, hint: "a followed file may also come into being later")
      ]
    }
  }

  private func text(_ finding: SourceCheck.Finding) -> String {
    let mark =
      switch finding.state {
      case .works: style.green("✓")
      case .fails: style.red("✗")
      case .note: "·"
      }
    let line = "\(mark) \(HelpText.pad(finding.topic, 10))  \(Printable.escaped(finding.text))"
    return finding.hint.isEmpty ? line : line + "\n              \(Printable.escaped(finding.hint))"
  }

  static func json(_ findings: [SourceCheck.Finding]) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("works", !findings.contains { $0.state == .fails })
    json.key("findings")
    json.beginArray()
    for finding in findings {
      json.beginObject()
      json.member("topic", finding.topic)
      json.member("state", finding.state.rawValue)
      json.member("text", finding.text)
      json.member("hint", finding.hint)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}
