import HTTPClient
import Platform

/// Chooses where a reading command reads: options before environment, a directory before a server.
enum AnswerSources {
  static func open(_ parsed: ParsedCommand) throws -> any AnswerSource {
    if parsed.has("data") && parsed.has("server") {
      throw UsageError("--data and --server exclude each other")
    }
    if !parsed.has("server"), let directory = parsed.value("data") {
      if parsed.command.name == .tail {
        throw UsageError("'clew tail' needs a server", hint: "give --server URL instead of a directory")
      }
      return try DirectoryAnswers(directory)
    }
    var options = HTTPClientOptions()
    options.caFile = parsed.value("ca-file")
    options.clientCertificateFile = parsed.value("client-cert")
    options.clientKeyFile = parsed.value("client-key")
    options.bearerToken = try token(parsed)
    return try ServerAnswers(url: parsed.value("server"), options: options)
  }

  private static func token(_ parsed: ParsedCommand) throws -> String? {
    guard let path = parsed.value("token-file") else {
      return parsed.environment["CLEW_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
    }
    do {
      let text = String(decoding: try Files.read(path, bytesMax: 65536), as: UTF8.self)
      let token = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      if token.isEmpty { throw Failure("the token file \(Printable.quoted(path)) is empty") }
      return token
    } catch let error as FileError {
      throw Failure(Printable.escaped(error.description), hint: "--token-file names a file with the bearer token")
    }
  }
}
