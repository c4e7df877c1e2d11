/// Appends families to one array of bytes, in the order in which it is called.
///
/// Use: `begin(family)`, then its samples, then the next family; `finish()` at the end. A family without samples leaves
/// no trace. Labels come rendered (`MetricFamily.rendered`), so that nothing is built anew for each scrape.
public struct MetricWriter {
  public let format: ExpositionFormat
  public private(set) var bytes: [UInt8] = []
  /// Samples written so far.
  public private(set) var sampleCount = 0

  private var family: MetricFamily?
  private var headerPending = false
  private var sampleName: [UInt8] = []
  private var exemplarStart = 0
  private var exemplarCodePoints = -1

  /// Longest label set of an exemplar: code points of names and values together (OpenMetrics 1.0).
  public static let exemplarCodePointsMax = 128

  /// - Parameter capacity: bytes to make room for; the length of the page before is a good guess.
  public init(format: ExpositionFormat, capacity: Int = 0) {
    self.format = format
    bytes.reserveCapacity(capacity)
  }

  /// Starts a family; its header is written with its first sample.
  public mutating func begin(_ family: MetricFamily) {
    self.family = family
    headerPending = true
    sampleName.removeAll(keepingCapacity: true)
    sampleName.append(contentsOf: family.name.utf8)
  }

  public mutating func sample(_ labels: [UInt8] = [], _ value: Int64) {
    start(labels)
    Numbers.append(value, to: &bytes)
    end()
  }

  public mutating func sample(_ labels: [UInt8] = [], _ value: Double) {
    start(labels)
    Numbers.append(value, to: &bytes)
    end()
  }

  /// A point or a span of time, given in nanoseconds, in seconds.
  public mutating func sample(_ labels: [UInt8] = [], nanoseconds: Int64) {
    start(labels)
    appendSeconds(nanoseconds)
    end()
  }

  /// All lines of one histogram.
  ///
  /// - Parameter exemplar: called once for each bucket (its index in `counts`) in formats that know exemplars; it may
  ///   write one with `exemplar(value:…)`.
  public mutating func histogram(
    _ labels: [UInt8] = [], _ table: borrowing HistogramTable, series: Int,
    exemplar: (Int, inout MetricWriter) -> Void = { _, _ in }
  ) {
    var cumulative: UInt64 = 0
    for bucket in 0..<table.bucketCount {
      cumulative += table.count(series, bucket)
      start(labels, suffix: "_bucket", bound: table.boundTexts[bucket])
      Numbers.append(cumulative, to: &bytes)
      if format == .openMetrics {
        exemplarCodePoints = 0
        exemplar(bucket, &self)
        exemplarCodePoints = -1
      }
      end()
    }
    start(labels, suffix: "_sum")
    let sum = table.sum(series)
    Numbers.append(whole: sum.whole, billionths: sum.billionths, to: &bytes)
    end()
    start(labels, suffix: "_count")
    Numbers.append(cumulative, to: &bytes)
    end()
  }

  /// Writes an exemplar behind the bucket at hand: labels through `writeLabels`, then value and time.
  ///
  /// A label that would bring names and values above 128 code points is left out; without any label there is no
  /// exemplar.
  public mutating func exemplar(
    nanoseconds value: Int64, unitsPerOne: Int64, atNanoseconds time: Int64,
    _ writeLabels: (inout MetricWriter) -> Void
  ) {
    guard exemplarCodePoints >= 0 else { return }
    let mark = bytes.count
    bytes.append(0x20)
    bytes.append(0x23)
    bytes.append(0x20)
    bytes.append(0x7b)
    exemplarStart = bytes.count
    exemplarCodePoints = 0
    writeLabels(&self)
    if bytes.count == exemplarStart {
      bytes.removeSubrange(mark...)
      return
    }
    bytes.append(0x7d)
    bytes.append(0x20)
    let (whole, rest) = value.quotientAndRemainder(dividingBy: unitsPerOne)
    Numbers.append(whole: whole, billionths: rest * (1_000_000_000 / unitsPerOne), to: &bytes)
    bytes.append(0x20)
    // Milliseconds are enough, and the text stays short.
    Numbers.append(whole: time / 1_000_000_000, billionths: time % 1_000_000_000 / 1_000_000 * 1_000_000, to: &bytes)
  }

  /// One label of the exemplar at hand.
  ///
  /// - Parameter value: valid UTF-8.
  public mutating func exemplarLabel(_ name: String, _ value: [UInt8]) {
    let count = value.reduce(0) { $0 + ($1 & 0xc0 == 0x80 ? 0 : 1) }
    guard beginExemplarLabel(name, codePoints: count) else { return }
    Escaping.appendLabelValue(value, to: &bytes)
    bytes.append(0x22)
  }

  /// One label whose value is a 128-bit number in lower-case hexadecimal digits, 32 of them or (`dashed`) as a UUID is
  /// written. Makes no array: a page may have tens of thousands of these.
  public mutating func exemplarLabel(_ name: String, high: UInt64, low: UInt64, dashed: Bool) {
    guard beginExemplarLabel(name, codePoints: dashed ? 36 : 32) else { return }
    for digit in 0..<32 {
      if dashed && (digit == 8 || digit == 12 || digit == 16 || digit == 20) { bytes.append(0x2d) }
      let word = digit < 16 ? high : low
      let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (digit & 15))) & 15
      bytes.append(value < 10 ? 0x30 + value : 0x57 + value)
    }
    bytes.append(0x22)
  }

  /// False if names and values would get too long.
  private mutating func beginExemplarLabel(_ name: String, codePoints: Int) -> Bool {
    // Label names are ASCII.
    let count = name.utf8.count + codePoints
    guard exemplarCodePoints + count <= Self.exemplarCodePointsMax else { return false }
    exemplarCodePoints += count
    if bytes.count > exemplarStart { bytes.append(0x2c) }
    bytes.append(contentsOf: name.utf8)
    bytes.append(0x3d)
    bytes.append(0x22)
    return true
  }

  /// Ends the page; nothing may follow.
  public mutating func finish() {
    if format == .openMetrics { bytes.append(contentsOf: "# EOF\n".utf8) }
  }

  private mutating func start(_ labels: [UInt8], suffix: StaticString = "", bound: [UInt8] = []) {
    if headerPending { writeHeader() }
    sampleCount += 1
    bytes.append(contentsOf: sampleName)
    suffix.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    if !labels.isEmpty || !bound.isEmpty {
      bytes.append(0x7b)
      bytes.append(contentsOf: labels)
      if !bound.isEmpty {
        if !labels.isEmpty { bytes.append(0x2c) }
        bytes.append(contentsOf: [0x6c, 0x65, 0x3d, 0x22])
        bytes.append(contentsOf: bound)
        bytes.append(0x22)
      }
      bytes.append(0x7d)
    }
    bytes.append(0x20)
  }

  private mutating func end() { bytes.append(0x0a) }

  private mutating func appendSeconds(_ nanoseconds: Int64) {
    let (whole, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    var rest = remainder
    if rest < 0 {
      if whole == 0 { bytes.append(0x2d) }
      rest = -rest
    }
    if rest == 0 {
      Numbers.append(whole, to: &bytes)
    } else {
      Numbers.append(whole: whole, billionths: rest, to: &bytes)
    }
  }

  private mutating func writeHeader() {
    guard let family else { preconditionFailure("begin a family before its samples") }
    headerPending = false
    switch format {
    case .text:
      comment("HELP", family.name)
      Escaping.appendHelp(family.help, quotes: false, to: &bytes)
      end()
      comment("TYPE", family.name)
      bytes.append(contentsOf: (family.kind == .info ? "gauge" : family.kind.rawValue).utf8)
      end()
    case .openMetrics:
      let name = family.baseName
      comment("TYPE", name)
      bytes.append(contentsOf: family.kind.rawValue.utf8)
      end()
      if let unit = family.unit {
        comment("UNIT", name)
        bytes.append(contentsOf: unit.utf8)
        end()
      }
      comment("HELP", name)
      Escaping.appendHelp(family.help, quotes: true, to: &bytes)
      end()
    }
  }

  private mutating func comment(_ word: StaticString, _ name: String) {
    bytes.append(contentsOf: [0x23, 0x20])
    word.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    bytes.append(0x20)
    bytes.append(contentsOf: name.utf8)
    bytes.append(0x20)
  }
}
