/// Options that several commands share.
enum Options {
  static let help = CommandOption.flag("help", short: "h", "explain the command")
  static let json = CommandOption.flag("json", "print the API's JSON instead of text")
  static let since = CommandOption.value(
    "since", .time, "TIME", "only what was created at or after TIME (RFC 3339, or '2h' for two hours ago)")
  static let until = CommandOption.value(
    "until", .time, "TIME", "only what was created before TIME (RFC 3339, or '10m' for ten minutes ago)")
  static let payload = CommandOption.flag("payload", "show data and metadata too")
  static let color = CommandOption.value(
    "color", .choice(["auto", "always", "never"]), "WHEN", environment: "CLEW_COLOR",
    "colours: auto (on a terminal, unless NO_COLOR is set), always, never")

  static func limit(_ help: String) -> CommandOption { .value("limit", .count(1), "N", help) }

  /// Where a reading command reads: a directory, or a server.
  static let reading: [CommandOption] = [
    .value(
      "data", .directory, "DIR", environment: "CLEW_DATA",
      "read this data directory, also while a server has it open"),
    .value(
      "server", .url, "URL", environment: "CLEW_SERVER",
      "ask this server; without --data and --server: http://127.0.0.1:9797"),
    .value(
      "token-file", .file, "FILE", environment: "CLEW_TOKEN_FILE",
      "file with the bearer token for --server (or the token itself in CLEW_TOKEN)"),
    .value("ca-file", .file, "FILE", environment: "CLEW_CA_FILE", "certificates to trust for --server, PEM"),
    .value("client-cert", .file, "FILE", environment: "CLEW_CLIENT_CERT", "client certificate for --server, PEM"),
    .value("client-key", .file, "FILE", environment: "CLEW_CLIENT_KEY", "key of the client certificate, PEM"),
    json, color,
  ]

  static let configuration = CommandOption.value(
    "config", .file, "FILE", environment: "CLEW_CONFIG", "configuration file, YAML")
  static let logLevel = CommandOption.value(
    "log-level", .choice(["debug", "info", "warning", "error"]), "LEVEL", "what is logged to standard error")
}
