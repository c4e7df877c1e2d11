import Glibc

/// A KurrentDB made of recordings, for tests; README.md beside this file says how it is told what to do.
///
/// Prints its port as the first line. Then every line of standard input is a command (JSON), and every line of standard
/// output its answer (JSON). It ends when standard input ends, so it never outlives the test that started it.
@main enum Program {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    var port = 0
    var address = "127.0.0.1"
    var files: (certificate: String, key: String)?
    var authority: String?
    var commands: [String] = []
    var arguments = CommandLine.arguments.dropFirst()
    while let argument = arguments.popFirst() {
      switch argument {
      case "--port": port = arguments.popFirst().flatMap { Int($0) } ?? 0
      case "--address": address = arguments.popFirst() ?? ""
      case "--tls": if let first = arguments.popFirst(), let second = arguments.popFirst() { files = (first, second) }
      case "--client-ca": authority = arguments.popFirst()
      case "--do": if let command = arguments.popFirst() { commands.append(command) }
      default: fail("unknown argument \(argument)")
      }
    }
    do {
      let tls = try files.map { try TLSFiles(certificate: $0.certificate, key: $0.key, clientAuthority: authority) }
      let server = try Server(address: address, port: port, tls: tls)
      for command in commands {
        let answer = String(decoding: server.execute(Array(command.utf8)), as: UTF8.self)
        if !answer.contains("\"ok\":true") { fail(answer) }
      }
      write(Array("\(server.port)\n".utf8))
      server.run()
    } catch {
      fail("\(error)")
    }
  }

  static func write(_ bytes: [UInt8]) {
    var start = 0
    while start < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress! + start, $0.count - start) }
      if count < 0 && errno != EINTR { return }
      start += max(count, 0)
    }
  }

  private static func fail(_ text: String) -> Never {
    let line = Array("kurrent-test-server: \(text)\n".utf8)
    _ = line.withUnsafeBytes { Glibc.write(2, $0.baseAddress!, $0.count) }
    exit(2)
  }
}
