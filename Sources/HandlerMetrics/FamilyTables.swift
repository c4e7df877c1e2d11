import EventModel
import PrometheusText

/// A counter by (source, event type).
struct TypeTable {
  var table: SeriesTable
  private let max: Int
  /// By number of the type; -1 where there is none yet.
  private var seriesByType: [Int32] = []

  init(_ family: MetricFamily, max: Int) {
    table = SeriesTable(family)
    self.max = max
  }

  /// The series of a type; above the family's bound, that of the source's overflow type.
  mutating func series(_ type: Int, _ directory: inout LabelDirectory) -> Int {
    if type < seriesByType.count, seriesByType[type] >= 0 { return Int(seriesByType[type]) }
    var target = type
    if table.count >= max { target = directory.overflowType(directory.types[type].source) }
    while seriesByType.count <= Swift.max(target, type) { seriesByType.append(-1) }
    if seriesByType[target] < 0 {
      let entry = directory.types[target]
      seriesByType[target] = Int32(
        table.add([directory.sourceName(entry.source), entry.name], folded: entry.isOverflow ? Folded.eventType : 0))
    }
    seriesByType[type] = seriesByType[target]
    return Int(seriesByType[target])
  }
}

/// Counters by (source, service, handler, event type), one for each value of a last label where there is one.
struct HandlerTypeTable {
  var table: SeriesTable
  /// Values of the last label; one empty entry where the family has none.
  private let lastValues: [String]
  private let max: Int
  private var firstSeries: [UInt64: Int32] = [:]

  init(_ family: MetricFamily, lastValues: [String] = [], max: Int) {
    table = SeriesTable(family)
    self.lastValues = lastValues
    self.max = max
  }

  private var width: Int { Swift.max(1, lastValues.count) }

  /// The first series of a handler and type; the others follow it.
  ///
  /// A quarter of the bound is kept for handlers whose type is folded; above the whole bound the handler is folded too.
  mutating func group(handler: Int, type: Int, _ directory: inout LabelDirectory) -> Int {
    if let known = firstSeries[key(handler, type)] { return Int(known) }
    if table.count + width <= max / 4 * 3 { return add(handler, type, directory) }
    let source = directory.handlers[handler].source
    let folded = directory.overflowType(source)
    if let known = firstSeries[key(handler, folded)] { return Int(known) }
    if table.count + width <= max { return add(handler, folded, directory) }
    let overflow = directory.overflowHandler(source)
    return firstSeries[key(overflow, folded)].map(Int.init) ?? add(overflow, folded, directory)
  }

  private func key(_ handler: Int, _ type: Int) -> UInt64 { UInt64(handler) << 32 | UInt64(type) }

  private mutating func add(_ handler: Int, _ type: Int, _ directory: LabelDirectory) -> Int {
    let values = directory.handlerValues(handler) + [directory.types[type].name]
    let bits =
      (directory.types[type].isOverflow ? Folded.eventType : 0)
      | (directory.handlers[handler].isOverflow ? Folded.handler : 0)
    let first = table.count
    if lastValues.isEmpty {
      _ = table.add(values, folded: bits)
    } else {
      for last in lastValues { _ = table.add(values + [Array(last.utf8)], folded: bits) }
    }
    firstSeries[key(handler, type)] = Int32(first)
    return first
  }
}

/// The counter by (source, cause type, handler, effect type).
struct EdgeTable {
  private struct Key: Hashable {
    var source: Int
    var cause: Int
    var handler: [UInt8]
    var effect: Int
  }

  var table = SeriesTable(MetricCatalogue.causalEdges)
  private let max: Int
  private var series: [Key: Int] = [:]

  init(max: Int) { self.max = max }

  /// Above three quarters of the bound the effect's type is folded, above the bound everything but the source.
  mutating func series(cause: Int, handler: Int, effect: Int, _ directory: inout LabelDirectory) -> Int {
    let source = directory.handlers[handler].source
    var key = Key(source: source, cause: cause, handler: directory.handlers[handler].handler, effect: effect)
    if let known = series[key] { return known }
    if table.count >= max / 4 * 3 {
      key.effect = directory.overflowType(source)
      if let known = series[key] { return known }
    }
    if table.count >= max {
      key.cause = key.effect
      key.handler = LabelValue.overflow
      if let known = series[key] { return known }
    }
    let overflow = directory.types[key.effect].isOverflow || directory.types[key.cause].isOverflow
    let added = table.add(
      [directory.sourceName(source), directory.types[key.cause].name, key.handler, directory.types[key.effect].name],
      folded: (overflow ? Folded.eventType : 0) | (key.handler == LabelValue.overflow ? Folded.handler : 0))
    series[key] = added
    return added
  }
}

/// The counter by (source, event type, schema version).
struct VersionTable {
  private struct Key: Hashable {
    var type: Int
    var version: UInt64
  }

  var table = SeriesTable(MetricCatalogue.eventSchemaVersions)
  private let options: MetricsOptions
  private var series: [Key: Int32] = [:]
  private var versionsByType: [Int: Int] = [:]
  private var overflowByType: [Int: Int32] = [:]

  init(options: MetricsOptions) { self.options = options }

  /// Counts one event. Builds no text unless the version is new.
  mutating func count(type: Int, version: UnsafeRawBufferPointer, _ directory: inout LabelDirectory) {
    let key = Key(type: type, version: unsafe IdentifierKey.hashing(version).low)
    if let known = series[key] {
      table.values[Int(known)] += 1
      return
    }
    let target: Int32
    if table.count >= options.labelSetsMax {
      let source = directory.types[type].source
      target = overflow(directory.overflowType(source), directory)
    } else if versionsByType[type, default: 0] >= options.versionsPerTypeMax {
      target = overflow(type, directory)
    } else {
      versionsByType[type, default: 0] += 1
      let name = LabelValue.of(unsafe String(decoding: version, as: UTF8.self))
      target = add(type, name, folded: 0, directory)
      series[key] = target
    }
    table.values[Int(target)] += 1
  }

  private mutating func overflow(_ type: Int, _ directory: LabelDirectory) -> Int32 {
    if let known = overflowByType[type] { return known }
    let added = add(type, LabelValue.overflow, folded: Folded.version, directory)
    overflowByType[type] = added
    return added
  }

  private mutating func add(
    _ type: Int, _ version: [UInt8], folded: UInt8, _ directory: LabelDirectory
  ) -> Int32 {
    let entry = directory.types[type]
    return Int32(
      table.add(
        [directory.sourceName(entry.source), entry.name, version],
        folded: folded | (entry.isOverflow ? Folded.eventType : 0)))
  }
}

/// Histograms with the last example of each bucket.
struct ExemplarHistogram {
  struct Exemplar {
    var value: Int64
    /// When it was observed.
    var time: Timestamp
    var correlation: Identifier
  }

  let family: MetricFamily
  var table: HistogramTable
  private var exemplars: [Exemplar?] = []

  init(_ family: MetricFamily, _ options: MetricsOptions, unitsPerOne: Int64 = 1_000_000_000) {
    self.family = family
    table = HistogramTable(bounds: options.bounds(family.name), unitsPerOne: unitsPerOne)
  }

  mutating func addSeries() -> Int {
    exemplars.append(contentsOf: repeatElement(nil, count: table.bucketCount))
    return table.addSeries()
  }

  mutating func observe(_ series: Int, _ value: Int64, _ correlation: Identifier?, at time: Timestamp) {
    let bucket = table.observe(series, value)
    if let correlation {
      exemplars[series * table.bucketCount + bucket] = Exemplar(value: value, time: time, correlation: correlation)
    }
  }

  func write(_ series: Int, _ labels: [UInt8], _ options: MetricsOptions, into writer: inout MetricWriter) {
    writer.histogram(labels, table, series: series) { bucket, writer in
      guard let found = exemplars[series * table.bucketCount + bucket] else { return }
      writer.exemplar(
        nanoseconds: found.value, unitsPerOne: table.unitsPerOne, atNanoseconds: found.time.nanoseconds
      ) { writer in
        let isUUID = found.correlation.isUUID
        let key = found.correlation.key
        if let name = options.exemplarTraceLabel, isUUID {
          writer.exemplarLabel(name, high: key.high, low: key.low, dashed: false)
        }
        if let name = options.exemplarCorrelationLabel {
          if isUUID {
            writer.exemplarLabel(name, high: key.high, low: key.low, dashed: true)
          } else {
            writer.exemplarLabel(name, found.correlation.shownBytes)
          }
        }
      }
    }
  }
}
