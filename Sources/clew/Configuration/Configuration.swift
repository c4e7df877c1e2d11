/// Everything that can be configured, with its defaults. Pure values: the composition root makes objects of them.
struct Configuration: Sendable, Equatable {
  var dataDirectory = "./clew-data"
  var host = "127.0.0.1"
  var port = 9797
  var insecure = false
  var tlsCertificateFile: String?
  var tlsKeyFile: String?
  var tlsClientCAFile: String?
  var clientCertificateMayWrite = true
  var writeToken: SecretSetting?
  var readToken: SecretSetting?
  var logLevel = "info"

  var reading = ReadingSettings()
  var sources: [SourceSettings] = []
  var metrics = MetricsSettings()
  var store = StoreSettings()
  var limits = LimitSettings()
}

/// A secret by its place, never by its text in anything that is printed.
enum SecretSetting: Sendable, Equatable {
  case file(String)
  case value(String)
}

/// How events are read. A source has its own copy, which begins with the general one.
struct ReadingSettings: Sendable, Equatable {
  var profile = "kurrentdb"
  var correlationKeys: [String] = []
  var causationKeys: [String] = []
  var handlerKeys: [String] = []
  var serviceKeys: [String] = []
  var failureKeys: [String] = []
  var schemaVersionKeys: [String] = []
  var exactKeys = false
  var handlerRules: [HandlerRuleSettings] = []
  var failureTypes: [String] = []
  var payloadBytesMax = 16 * 1024 * 1024 + 64 * 1024
  var keepsData = true
  var keepsMetadata = true
  var redactedPaths: [String] = []
}

/// Events of this type and category are attributed to this handler; the first rule that matches counts.
struct HandlerRuleSettings: Sendable, Equatable {
  /// Patterns with `*`; nil: any.
  var type: String?
  var category: String?
  var handler = ""
  var service: String?
}

struct SourceSettings: Sendable, Equatable {
  var url = ""
  var name: String?
  var reading = ReadingSettings()
  var origin = ""
}

struct MetricsSettings: Sendable, Equatable {
  /// nil: all, whatever its age.
  var liveWindowNanoseconds: Int64? = 300_000_000_000
  /// Upper bounds of histograms in nanoseconds, by family; others keep those that are built in.
  var bucketsByFamily: [String: [Int64]] = [:]
  var handlersMax = 2000
  var eventTypesMax = 500
  var labelSetsMax = 10_000
  var graceNanoseconds: Int64 = 30_000_000_000
  var idleNanoseconds: Int64 = 600_000_000_000
}

struct StoreSettings: Sendable, Equatable {
  var durability = "auto"
  var sealEventCount = 500_000
  var sealAfterNanoseconds: Int64 = 3_600_000_000_000
  var blockCacheBytes = 4 * 1024 * 1024
  var segmentCacheBytes = 48 * 1024 * 1024
  var segmentConnectionsMax = 64
  var freeDiskFloorBytes = 512 * 1024 * 1024
  /// nil: none.
  var retentionAgeNanoseconds: Int64?
  var retentionBytes: Int?
  /// By name of the source, instead of the general one.
  var retentionSourceAges: [String: Int64] = [:]
}

struct LimitSettings: Sendable, Equatable {
  var connections = 512
  var connectionsHard = 2048
  var requestSeconds = 15.0
  var headerBytes = 64 * 1024
  var bodyBytes = 64 * 1024 * 1024
  var bodyBytesInFlight = 256 * 1024 * 1024
  /// 0: `CurrentProcess.coreCount`, at least 2.
  var lookUps = 0
}
