// swift-tools-version: 6.2
import PackageDescription

// The architecture on one screen: a target depends only on targets of lower levels, but for three (docs/ARCHITECTURE.md).
// Tests/TidyTests compares every import in the sources with this picture.
//
// Of the targets that could be built next, SwiftPM starts the one whose name comes last in the alphabet. SegmentStore takes
// longest and waits for SegmentBlocks: with names further in front a clean build takes half a minute more.

/// `make fuzz` builds everything once more, in a folder of its own, with libFuzzer's coverage and the address sanitizer.
let isFuzzing = Context.environment["CLEW_FUZZ"] != nil
/// Names of targets, with commas: these and what they depend on are all there is. `Tests/Sanitizers/run` builds what it
/// runs once more for each sanitizer.
let wantedTargets = Context.environment["CLEW_TARGETS"].map { $0.split(separator: ",").map(String.init) }

/// `make test` builds in a folder of its own with what tests spend their time in optimised: a minute or two more for the
/// build, less than half of the time for the tests. Every check stays: overflow, bounds, exclusive access, assertions.
let isTesting = Context.environment["CLEW_TESTS"] != nil
let busyInTests: Set = ["EventModel", "WideScan", "WireFormats", "Compression", "SegmentBlocks", "SegmentStore"]
let optimised: [SwiftSetting] =
  isTesting ? [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))] : []

/// Commands, options and their texts, and the rows that people read: what is done for each byte or each stored event is in
/// the libraries. It is the last one to be built, when the other core is idle: 7 s in place of 25.
let unoptimised: [SwiftSetting] = [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let settings: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Checks of exclusive access at run time are 4 % of an import. Every test runs with them: tests are debug builds.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
  ] + (isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])] : [])

func library(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: exclude,
    swiftSettings: settings + (busyInTests.contains(name) ? optimised : []))
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
  name: "clew",
  products: [.executable(name: "clew", targets: ["clew"])],
  targets: [
    // Level 0: values, and the system libraries (each imported by its one wrapper only).
    library("EventModel"),
    library("WideScan", ["CWideScan"]),
    library("WireFormats", ["WideScan"]),
    library("PrometheusText"),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-gnutls-dev"])]),
    .systemLibrary(name: "CMicrohttpd", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),
    .systemLibrary(name: "CWideScan"),
    .systemLibrary(name: "CMalloc"),
    .systemLibrary(name: "CPrefetch"),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

    // Level 1: small types around the operating system, and the pure cores.
    library("Platform", ["EventModel", "CMalloc"]),
    library("Compression", ["CZlib", "CDeflate"]),
    library("SegmentBlocks", ["EventModel", "WideScan", "Compression", "CPrefetch"], exclude: ["BODY.md"]),
    library("TraceStore", ["EventModel", "WireFormats"]),
    library("TraceAssembly", ["EventModel"]),
    library("HandlerMetrics", ["EventModel", "PrometheusText"]),

    // Level 2: reading events, storing them, talking HTTP.
    library("EventSource", ["EventModel", "WireFormats", "Platform", "Compression"]),
    library(
      "SegmentStore",
      ["SegmentBlocks", "TraceStore", "EventModel", "WideScan", "WireFormats", "Platform", "Compression", "CSQLite"],
      exclude: ["FORMAT.md"]),
    library("HTTPClient", ["Platform", "Compression", "CCurl"]),
    library("HTTPServer", ["Platform", "Compression", "CMicrohttpd", "CGnuTLS"]),

    // Level 3: adapters of event stores, the pipeline, and the shop of the demo.
    library(
      "KurrentDBSource", ["EventSource", "HTTPClient", "EventModel", "WireFormats", "Platform", "Compression"],
      exclude: ["kurrentdb.proto"]),
    library(
      "Ingest",
      [
        "EventSource", "TraceStore", "TraceAssembly", "HandlerMetrics", "EventModel", "WireFormats", "PrometheusText",
        "Platform", "Compression",
      ]),
    library("DemoShop", ["HTTPClient", "EventModel", "WireFormats", "Platform"]),

    // Level 4: routes.
    library(
      "TraceServer",
      [
        "HTTPServer", "Ingest", "EventSource", "TraceStore", "TraceAssembly", "HandlerMetrics", "PrometheusText",
        "EventModel", "WireFormats", "Platform", "Compression",
      ]),

    // Level 5: the one place that names concrete types together.
    .executableTarget(
      name: "clew",
      dependencies: [
        "TraceServer", "HTTPServer", "HTTPClient", "Ingest", "DemoShop", "KurrentDBSource", "EventSource",
        "SegmentStore", "TraceStore", "TraceAssembly", "HandlerMetrics", "PrometheusText", "EventModel", "WireFormats",
        "Platform", "Compression",
        "CYAML",
      ], swiftSettings: settings + unoptimised),

    // Figures, never run by tests: `make bench`.
    .executableTarget(
      name: "clew-benchmarks",
      dependencies: [
        "SegmentStore", "SegmentBlocks", "KurrentDBSource", "EventSource", "TraceStore", "Compression", "EventModel",
        "Platform",
      ],
      path: "Benchmarks/clew-benchmarks", swiftSettings: [.swiftLanguageMode(.v6)]),

    // Tests, one target for each of the above, and those that drive the built program.
    .target(
      name: "TestSupport",
      dependencies: ["EventModel", "WireFormats", "TraceStore", "Platform", "Compression", "CSQLite"],
      path: "Tests/Support", exclude: ["Programs"], swiftSettings: settings + optimised),
    .systemLibrary(
      name: "CNghttp2", path: "Tests/CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    // Optimised in every build, because it is the load of tests that measure.
    .executableTarget(
      name: "kurrent-test-server",
      dependencies: ["WireFormats", "Compression", "Platform", "CNghttp2", "CGnuTLS"],
      path: "Tests/KurrentTestServer", exclude: ["README.md"],
      swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-O"])]),
    tests("EventModelTests", ["EventModel", "TestSupport"]),
    tests("WideScanTests", ["WideScan", "TestSupport"]),
    tests("WireFormatsTests", ["WireFormats", "TestSupport"]),
    tests("PrometheusTextTests", ["PrometheusText", "TestSupport"]),
    tests("PlatformTests", ["Platform", "EventModel", "TestSupport"]),
    tests("CompressionTests", ["Compression", "TestSupport"]),
    tests(
      "SegmentBlocksTests", ["SegmentBlocks", "EventSource", "EventModel", "Compression", "Platform", "TestSupport"]),
    tests("TraceStoreTests", ["TraceStore", "EventModel", "WireFormats", "Platform", "TestSupport"]),
    tests("TraceAssemblyTests", ["TraceAssembly", "TraceStore", "EventModel", "WireFormats", "TestSupport"]),
    tests(
      "HandlerMetricsTests",
      ["HandlerMetrics", "PrometheusText", "TraceStore", "EventModel", "Platform", "TestSupport"]),
    tests("EventSourceTests", ["EventSource", "EventModel", "WireFormats", "Platform", "Compression", "TestSupport"]),
    tests(
      "SegmentStoreTests",
      [
        "SegmentStore", "SegmentBlocks", "TraceStore", "EventModel", "WireFormats", "Platform", "Compression",
        "TestSupport",
      ]),
    tests(
      "HTTPTests", ["HTTPServer", "HTTPClient", "Platform", "Compression", "TestSupport"], exclude: ["Programs"]),
    tests(
      "KurrentDBTests",
      [
        "KurrentDBSource", "Ingest", "TraceStore", "EventSource", "HTTPClient", "EventModel", "WireFormats", "Platform",
        "Compression", "TestSupport",
      ], exclude: ["Programs"]),
    tests(
      "KurrentServerTests", ["HTTPClient", "WireFormats", "Platform", "TestSupport"], exclude: ["Programs"]),
    tests(
      "IngestTests",
      [
        "Ingest", "EventSource", "TraceStore", "HandlerMetrics", "PrometheusText", "EventModel", "Platform",
        "WireFormats", "Compression", "TestSupport",
      ]),
    tests(
      "TraceServerTests",
      [
        "TraceServer", "HTTPServer", "Ingest", "HandlerMetrics", "TraceStore", "EventModel", "WireFormats", "Platform",
        "TestSupport",
      ]),
    tests(
      "CommandLineTests",
      ["clew", "DemoShop", "EventModel", "HTTPClient", "Platform", "WireFormats", "TestSupport"]),
    tests("EndToEndTests", ["WireFormats", "Platform", "Compression", "HTTPClient", "TestSupport"]),
    tests("TidyTests", ["Platform", "TestSupport"]),
  ]
)

if isFuzzing {
  package.targets.append(
    .executableTarget(
      name: "clew-fuzz",
      dependencies: [
        "KurrentDBSource", "HTTPClient", "EventSource", "SegmentStore", "SegmentBlocks", "TraceStore", "EventModel",
        "WireFormats", "Platform", "Compression", "TestSupport",
      ],
      path: "Tests/Fuzz", exclude: ["corpus", "run"],
      swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-sanitize=address", "-enable-testing"])],
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]))
}

if let wantedTargets {
  let all = Dictionary(uniqueKeysWithValues: package.targets.map { ($0.name, $0) })
  var pending = wantedTargets
  var kept: Set<String> = []
  while let name = pending.popLast() {
    guard let target = all[name] else { fatalError("CLEW_TARGETS: there is no target \(name)") }
    if !kept.insert(name).inserted { continue }
    for case .byNameItem(let needed, _) in target.dependencies { pending.append(needed) }
  }
  package.targets.removeAll { !kept.contains($0.name) }
  if !kept.contains("clew") { package.products = [] }
}
