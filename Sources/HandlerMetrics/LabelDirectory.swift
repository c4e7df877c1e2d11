import EventModel
import PrometheusText

/// Sources, event types and handlers as small numbers, with the bounds of label values applied.
///
/// What is above a bound gets the number of the source's `_overflow` entry. Numbers are never given anew.
struct LabelDirectory {
  struct TypeEntry {
    var source: Int
    var name: [UInt8]
    var isOverflow: Bool
  }

  struct HandlerEntry {
    var source: Int
    var service: [UInt8]
    var handler: [UInt8]
    var identity: String
    var isOverflow: Bool
  }

  private struct SourceEntry {
    var name: [UInt8]
    var types: [[UInt8]: Int] = [:]
    var overflowType: Int?
    var noneType: Int?
    var overflowHandler: Int?
  }

  private struct HandlerKey: Hashable {
    var source: Int
    var service: [UInt8]
    var handler: [UInt8]
  }

  private let options: MetricsOptions
  private var sources: [SourceEntry] = []
  private var sourceByName: [[UInt8]: Int] = [:]
  private(set) var types: [TypeEntry] = []
  private(set) var handlers: [HandlerEntry] = []
  private var handlerByKey: [HandlerKey: Int] = [:]
  private var pairs: Set<HandlerKey> = []

  init(options: MetricsOptions) { self.options = options }

  var sourceCount: Int { sources.count }

  func sourceName(_ source: Int) -> [UInt8] { sources[source].name }

  /// The number of a source; beyond the bound all share `_overflow`.
  mutating func source(_ name: String) -> Int {
    var value = LabelValue.of(name)
    if let known = sourceByName[value] { return known }
    if sources.count >= options.sourcesMax {
      value = LabelValue.overflow
      if let known = sourceByName[value] { return known }
    }
    sources.append(SourceEntry(name: value))
    sourceByName[value] = sources.count - 1
    return sources.count - 1
  }

  mutating func type(_ name: String, source: Int) -> Int {
    let value = LabelValue.of(name)
    if let known = sources[source].types[value] { return known }
    if sources[source].types.count >= options.eventTypesPerSourceMax { return overflowType(source) }
    let number = addType(TypeEntry(source: source, name: value, isOverflow: false))
    sources[source].types[value] = number
    return number
  }

  mutating func overflowType(_ source: Int) -> Int {
    if let known = sources[source].overflowType { return known }
    let number = addType(TypeEntry(source: source, name: LabelValue.overflow, isOverflow: true))
    sources[source].overflowType = number
    return number
  }

  /// Stands for a handled event that is not known.
  mutating func noneType(_ source: Int) -> Int {
    if let known = sources[source].noneType { return known }
    let number =
      sources[source].types[LabelValue.none]
      ?? addType(
        TypeEntry(source: source, name: LabelValue.none, isOverflow: false))
    sources[source].types[LabelValue.none] = number
    sources[source].noneType = number
    return number
  }

  private mutating func addType(_ entry: TypeEntry) -> Int {
    types.append(entry)
    return types.count - 1
  }

  mutating func handler(service: String, handler: String, identity: String, source: Int) -> Int {
    let key = HandlerKey(source: source, service: LabelValue.of(service), handler: LabelValue.of(handler))
    if let known = handlerByKey[key] { return known }
    let pair = HandlerKey(source: -1, service: key.service, handler: key.handler)
    if !pairs.contains(pair) {
      if pairs.count >= options.handlersMax { return overflowHandler(source) }
      pairs.insert(pair)
    }
    if handlers.count >= options.labelSetsMax { return overflowHandler(source) }
    handlers.append(
      HandlerEntry(
        source: source, service: key.service, handler: key.handler, identity: identity, isOverflow: false))
    handlerByKey[key] = handlers.count - 1
    return handlers.count - 1
  }

  /// A number that tells handlers apart even where their labels were folded, so that pairs are counted apart.
  func identity(of handler: Int, service: String, name: String) -> UInt32 {
    guard handlers[handler].isOverflow else { return UInt32(handler) }
    let bytes = Array(service.utf8) + [0] + Array(name.utf8)
    let hash = unsafe bytes.withUnsafeBytes { unsafe IdentifierKey.hashing($0).low }
    return UInt32(truncatingIfNeeded: hash) | 0x8000_0000
  }

  mutating func overflowHandler(_ source: Int) -> Int {
    if let known = sources[source].overflowHandler { return known }
    handlers.append(
      HandlerEntry(
        source: source, service: LabelValue.overflow, handler: LabelValue.overflow, identity: "_overflow",
        isOverflow: true))
    sources[source].overflowHandler = handlers.count - 1
    return handlers.count - 1
  }

  /// Label values of a handler, in the order of `MetricCatalogue.handlerLabels`.
  func handlerValues(_ handler: Int) -> [[UInt8]] {
    let entry = handlers[handler]
    return [sources[entry.source].name, entry.service, entry.handler]
  }
}

/// Which labels of a series were folded into `_overflow`, as bits of `SeriesTable.folded`.
enum Folded {
  static let eventType: UInt8 = 1
  static let handler: UInt8 = 2
  static let version: UInt8 = 4

  static func name(_ bit: UInt8) -> String {
    switch bit {
    case eventType: "event_type"
    case handler: "handler"
    default: "schema_version"
    }
  }
}
