import EventSource
import HTTPServer
import HandlerMetrics
import KurrentDBSource
import Platform

/// Reads file, environment and options to a configuration that can be used, or says every mistake.
enum ConfigurationLoader {
  struct Outcome {
    var configuration: Configuration
    /// Whole sentences, each with its place.
    var mistakes: [String]
    /// Not wrong, but likely not meant.
    var remarks: [String]
  }

  static func load(_ parsed: ParsedCommand) throws(Failure) -> Outcome {
    var file: [UInt8]?
    let path = parsed.value("config") ?? ""
    if !path.isEmpty {
      do {
        file = try Files.read(path, bytesMax: YAMLReader.bytesMax)
      } catch {
        throw Failure(
          "cannot read the configuration \(Printable.quoted(path, limit: 500)): \(error.reason)",
          hint: "--config names a YAML file that this user may read")
      }
    }
    var options = parsed.options
    if parsed.command.name == .import { options = options.filter { $0.key == "data" || $0.key == "profile" } }
    let reader = ConfigurationReader.read(
      file: file, path: path, environment: parsed.environment, options: options)
    var mistakes = reader.mistakes.map(\.description)
    mistakes += rules(reader)
    if parsed.command.name == .serve { mistakes += sources(reader.configuration) + protection(reader) }
    if let bounds = reader.configuration.metricsOptions.bucketMistake() { mistakes.append("buckets: \(bounds)") }
    if mistakes.isEmpty && parsed.command.name == .serve { mistakes += server(reader.configuration) }
    let unknown = SettingOverlay.unknownVariables(parsed.environment)
    return Outcome(
      configuration: reader.configuration, mistakes: mistakes,
      remarks: unknown.map { "the environment variable \(Printable.escaped($0)) means nothing to this version" })
  }

  /// As `load`, where a mistake ends the command.
  static func loadValid(_ parsed: ParsedCommand) throws(Failure) -> Configuration {
    let outcome = try load(parsed)
    if outcome.mistakes.isEmpty { return outcome.configuration }
    throw failure(outcome.mistakes)
  }

  static func failure(_ mistakes: [String]) -> Failure {
    Failure(
      "the configuration has \(mistakes.count) mistake\(mistakes.count == 1 ? "" : "s")\n  "
        + mistakes.joined(separator: "\n  "), hint: "docs/CONFIGURATION.md lists every key; 'clew serve --check' checks"
    )
  }

  private static func rules(_ reader: ConfigurationReader) -> [String] {
    var found = reader.configuration.reading.rules().problems()
    for source in reader.configuration.sources where source.reading != reader.configuration.reading {
      found += source.reading.rules().problems().map { "\(source.origin): \($0)" }
    }
    return found.map(Printable.escaped)
  }

  private static func sources(_ configuration: Configuration) -> [String] {
    var found: [String] = []
    var places: [String: String] = [:]
    for source in configuration.sources where !source.url.isEmpty {
      do {
        let nameByURL = try nameOfSource(source.url)
        let name = source.name ?? nameByURL
        if let other = places[name] {
          found.append("\(source.origin): the source \(Printable.quoted(name)) is also at \(other); give it a name")
        }
        places[name] = source.origin
      } catch {
        found.append("\(source.origin): \(Printable.escaped("\(error)"))")
      }
    }
    return found
  }

  /// The name that a source has by its URL.
  private static func nameOfSource(_ url: String) throws -> String {
    KurrentDBAddress.claims(url) ? try KurrentDBAddress.parse(url).name : try SourceURL.parse(url).name
  }

  /// Files that must be readable, and that nobody is let in by oversight.
  private static func protection(_ reader: ConfigurationReader) -> [String] {
    let made = reader.configuration
    var found: [String] = []
    func place(_ key: String) -> String { reader.origins[key].map { "\($0.description): " } ?? "" }
    for (key, path) in [
      ("tls.cert", made.tlsCertificateFile), ("tls.key", made.tlsKeyFile), ("tls.client-ca", made.tlsClientCAFile),
      ("tokens.write-file", made.writeToken?.file), ("tokens.read-file", made.readToken?.file),
    ] {
      guard let path else { continue }
      do {
        if try Files.read(path, bytesMax: 1 << 20).isEmpty { found.append("\(place(key))\(key): the file is empty") }
      } catch {
        found.append("\(place(key))\(key): \(Printable.escaped(error.description))")
      }
    }
    if (made.tlsCertificateFile == nil) != (made.tlsKeyFile == nil) {
      let (given, missing) = made.tlsKeyFile == nil ? ("tls.cert", "tls.key") : ("tls.key", "tls.cert")
      found.append("\(place(given))\(given) without \(missing): both are needed")
    }
    if made.tlsClientCAFile != nil && made.tlsCertificateFile == nil {
      found.append("\(place("tls.client-ca"))tls.client-ca needs tls.cert and tls.key")
    }
    if made.limits.connectionsHard < made.limits.connections {
      found.append("\(place("limits.connections-hard"))limits.connections-hard is below limits.connections")
    }
    let isProtected = made.writeToken != nil || made.readToken != nil || made.tlsClientCAFile != nil
    if !isProtected && !made.insecure && !isLoopback(made.host) {
      found.append(
        "\(place("listen"))listening on \(Printable.escaped(made.host)) lets everybody in who reaches it: "
          + "configure a token or a client CA, or say --insecure")
    }
    return found
  }

  /// What the server itself has to say of certificates and addresses, and whether the directory can be one.
  private static func server(_ configuration: Configuration) -> [String] {
    var found: [String] = []
    do {
      try HTTPServer.check(configuration.serverConfiguration)
    } catch {
      found.append(Printable.escaped(error.description))
    }
    if let status = try? Files.status(configuration.dataDirectory), !status.isDirectory {
      found.append("data: \(Printable.quoted(configuration.dataDirectory, limit: 500)) is no directory")
    }
    return found
  }

  private static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.")
  }
}

extension SecretSetting {
  var file: String? { if case .file(let path) = self { path } else { nil } }
}
