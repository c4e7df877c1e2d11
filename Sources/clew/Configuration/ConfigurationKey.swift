/// What a setting may be.
enum SettingKind: Sendable, Equatable {
  case text, path, boolean, address
  case choice([String])
  case count(ClosedRange<Int>)
  case bytes(ClosedRange<Int>)
  case duration(ClosedRange<Int64>)
  /// A duration or `all`.
  case durationOrAll
  case texts
  case durations
  /// A map from names to `age: TIME`.
  case agesByName

  var description: String {
    switch self {
    case .text: "text"
    case .path: "path"
    case .boolean: "true or false"
    case .address: "HOST:PORT"
    case .choice(let names): names.joined(separator: ", ")
    case .count(let range): "\(range.lowerBound) to \(range.upperBound)"
    case .bytes: "size"
    case .duration: "time"
    case .durationOrAll: "time, or all"
    case .texts: "list"
    case .durations: "list of times"
    case .agesByName: "NAME: { age: time }"
    }
  }
}

/// A setting's value, checked.
enum SettingValue: Sendable, Equatable {
  case text(String)
  case boolean(Bool)
  case count(Int)
  case nanoseconds(Int64)
  case all
  case texts([String])
  case durations([Int64])
  case ages([String: Int64])
  case address(host: String, port: Int)

  var text: String { if case .text(let value) = self { value } else { "" } }
  var boolean: Bool { self == .boolean(true) }
  var count: Int { if case .count(let value) = self { value } else { 0 } }
  var nanoseconds: Int64 { if case .nanoseconds(let value) = self { value } else { 0 } }
  var texts: [String] { if case .texts(let value) = self { value } else { [] } }
  var ages: [String: Int64] { if case .ages(let value) = self { value } else { [:] } }
  var durations: [Int64] { if case .durations(let value) = self { value } else { [] } }
}

/// One key of the configuration: parsing, the environment name, the option and the document are made from it.
struct ConfigurationKey<Target>: Sendable {
  /// `metrics.live-window`.
  var path: String
  var kind: SettingKind
  /// As the document shows it; "" for none.
  var fallback: String
  var help: String
  /// Option of `clew serve` that sets the same.
  var option: String?
  var set: @Sendable (inout Target, SettingValue) -> Void

  init(
    _ path: String, _ kind: SettingKind, _ fallback: String, _ help: String, option: String? = nil,
    set: @escaping @Sendable (inout Target, SettingValue) -> Void
  ) {
    self.path = path
    self.kind = kind
    self.fallback = fallback
    self.help = help
    self.option = option
    self.set = set
  }

  var segments: [String] { path.split(separator: ".").map(String.init) }

  /// `CLEW_METRICS_LIVE_WINDOW`.
  var environment: String { "CLEW_" + environmentName(path) }
}

func environmentName(_ path: String) -> String {
  String(path.uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 })
}
