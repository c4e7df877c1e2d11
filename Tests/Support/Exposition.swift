/// Reads a page of metrics back, strictly: what a scraper would trip over is a problem with its line.
public struct Exposition {
  public struct Sample {
    public var name: String
    public var labels: [(name: String, value: String)]
    public var value: String
    /// The text behind `# `, if there is any.
    public var exemplar: String?
    public var line: Int
  }

  /// Value by series, as written: `name{label="value"}`.
  public private(set) var values: [String: Double] = [:]
  public private(set) var samples: [Sample] = []
  /// Family names in order.
  public private(set) var families: [String] = []
  public private(set) var types: [String: String] = [:]
  public private(set) var problems: [String] = []

  private var current: String?
  private var seenWords: Set<String> = []

  /// - Parameter openMetrics: false reads text 0.0.4.
  public init(_ bytes: [UInt8], openMetrics: Bool) {
    let text = String(decoding: bytes, as: UTF8.self)
    if Array(text.utf8) != bytes { problems.append("not valid UTF-8") }
    var lines = text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map { String($0) ?? "" }
    if lines.last != "" { problems.append("the last line does not end") } else { lines.removeLast() }
    if openMetrics {
      if lines.last != "# EOF" { problems.append("no EOF") } else { lines.removeLast() }
    }
    for (index, line) in lines.enumerated() {
      if line.isEmpty {
        problems.append("line \(index + 1): blank")
      } else if line.utf8.first == 0x23 {
        readComment(line, index + 1, openMetrics)
      } else {
        readSample(line, index + 1, openMetrics)
      }
    }
    checkHistograms()
    if openMetrics { checkClashes() }
  }

  /// The value of a series; nil if it is not there.
  public subscript(series: String) -> Double? { values[series] }

  /// The sum over all series of a sample name whose labels contain these.
  public func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
    samples.filter { sample in
      sample.name == name
        && labels.allSatisfy { wanted in sample.labels.contains { $0.name == wanted.key && $0.value == wanted.value } }
    }.reduce(0) { $0 + (Double($1.value) ?? .nan) }
  }

  private mutating func readComment(_ line: String, _ number: Int, _ openMetrics: Bool) {
    let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 3, ["HELP", "TYPE", "UNIT"].contains(parts[1]) else {
      problems.append("line \(number): stray comment")
      return
    }
    let name = parts[2]
    if name != current {
      if families.contains(name) { problems.append("line \(number): family \(name) comes twice") }
      families.append(name)
      current = name
      seenWords = []
    }
    let order = openMetrics ? ["TYPE", "UNIT", "HELP"] : ["HELP", "TYPE"]
    guard let place = order.firstIndex(of: parts[1]), !seenWords.contains(parts[1]),
      order[(place + 1)...].allSatisfy({ !seenWords.contains($0) })
    else {
      problems.append("line \(number): \(parts[1]) out of order")
      return
    }
    seenWords.insert(parts[1])
    if parts.count < 4 || parts[3].isEmpty { problems.append("line \(number): nothing after the name") }
    if parts[1] == "TYPE" { types[name] = parts.last }
    if parts[1] == "UNIT", !name.hasSuffix("_" + (parts.last ?? "")) {
      problems.append("line \(number): unit is no suffix of \(name)")
    }
  }

  private mutating func readSample(_ line: String, _ number: Int, _ openMetrics: Bool) {
    guard let sample = SampleReader(line).sample(number) else {
      problems.append("line \(number): unreadable: \(line)")
      return
    }
    let family = current ?? ""
    let type = types[family] ?? "?"
    let suffixes: [String] =
      switch (type, openMetrics) {
      case ("counter", true): ["_total"]
      case ("info", true): ["_info"]
      case ("histogram", _): ["_bucket", "_sum", "_count"]
      default: [""]
      }
    if !suffixes.contains(where: { family + $0 == sample.name }) {
      problems.append("line \(number): \(sample.name) does not belong to \(type) \(family)")
    }
    if Set(sample.labels.map(\.name)).count != sample.labels.count { problems.append("line \(number): label twice") }
    let series = String(line[..<line.index(line.startIndex, offsetBy: SampleReader(line).seriesLength)])
    if values[series] != nil { problems.append("line \(number): series twice: \(series)") }
    guard let value = Double(sample.value) else {
      problems.append("line \(number): no number: \(sample.value)")
      return
    }
    if type == "counter" && !(value >= 0) { problems.append("line \(number): counter below 0 or NaN") }
    if sample.exemplar != nil {
      if !openMetrics || !(sample.name.hasSuffix("_bucket") || sample.name.hasSuffix("_total")) {
        problems.append("line \(number): exemplar where none is allowed")
      }
    }
    values[series] = value
    samples.append(sample)
  }

  private mutating func checkHistograms() {
    var before: (series: [String], le: Double, count: Double)?
    let bucketNames = Set(families.filter { types[$0] == "histogram" }.map { $0 + "_bucket" })
    let countNames = Set(families.filter { types[$0] == "histogram" }.map { $0 + "_count" })
    var counts: [[String]: String] = [:]
    for sample in samples where countNames.contains(sample.name) {
      counts[[String(sample.name.dropLast("_count".count))] + sample.labels.map { $0.name + "=" + $0.value }] =
        sample.value
    }
    for sample in samples where bucketNames.contains(sample.name) {
      let name = String(sample.name.dropLast("_bucket".count))
      let others = sample.labels.dropLast()
      guard let last = sample.labels.last, last.name == "le", let le = Double(last.value),
        let count = Double(sample.value)
      else {
        problems.append("line \(sample.line): no le as last label")
        continue
      }
      if last.value != "+Inf" && !last.value.contains(".") && !last.value.contains("e") {
        problems.append("line \(sample.line): le \(last.value) is not canonical")
      }
      let key = [name] + others.map { $0.name + "=" + $0.value }
      if let before, before.series == key, before.le >= le || before.count > count {
        problems.append("line \(sample.line): buckets do not grow")
      }
      checkExemplar(sample, above: before?.series == key ? before!.le : -.infinity, upTo: le)
      before = (key, le, count)
      if last.value == "+Inf" {
        if counts[key] != sample.value { problems.append("line \(sample.line): +Inf is not the count") }
      }
    }
  }

  private mutating func checkExemplar(_ sample: Sample, above: Double, upTo le: Double) {
    guard let exemplar = sample.exemplar else { return }
    guard let parsed = SampleReader("x" + exemplar).sample(sample.line) else {
      problems.append("line \(sample.line): unreadable exemplar")
      return
    }
    let codePoints = parsed.labels.reduce(0) { $0 + $1.name.unicodeScalars.count + $1.value.unicodeScalars.count }
    if codePoints > 128 { problems.append("line \(sample.line): exemplar of \(codePoints) code points") }
    let numbers = parsed.value.split(separator: " ").compactMap { Double($0) }
    if numbers.count != 2 || numbers[0] > le || numbers[0] <= above && numbers[0] > 0 {
      problems.append("line \(sample.line): exemplar outside its bucket")
    }
  }

  private mutating func checkClashes() {
    let suffixes = ["", "_total", "_created", "_count", "_sum", "_bucket", "_info"]
    var taken: [String: String] = [:]
    for family in families {
      for suffix in suffixes {
        if let other = taken[family + suffix], other != family {
          problems.append("\(family)\(suffix) clashes with \(other)")
        }
      }
      for suffix in suffixes { taken[family + suffix] = family }
    }
  }
}

/// `name{label="value",…} value [# exemplar]`, byte by byte.
private struct SampleReader {
  private let characters: [Unicode.Scalar]
  private var index = 0

  init(_ line: String) { characters = Array(line.unicodeScalars) }

  /// Characters (as `String` counts them) of the part before the value.
  var seriesLength: Int {
    var reader = self
    guard reader.nameAndLabels() != nil else { return 0 }
    var series = String.UnicodeScalarView()
    series.append(contentsOf: characters[..<reader.index])
    return String(series).count
  }

  func sample(_ line: Int) -> Exposition.Sample? {
    var reader = self
    guard let (name, labels) = reader.nameAndLabels(), reader.take(" ") else { return nil }
    let rest = reader.rest
    var value = rest
    var exemplar: String?
    if let mark = rest.range(of: " # ") {
      value = String(rest[..<mark])
      exemplar = String(rest[rest.index(mark, offsetBy: 3)...])
    }
    return Exposition.Sample(name: name, labels: labels, value: value, exemplar: exemplar, line: line)
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard index < characters.count, characters[index] == character else { return false }
    index += 1
    return true
  }

  private var rest: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: characters[index...])
    return String(view)
  }

  private mutating func word() -> String? {
    var view = String.UnicodeScalarView()
    while index < characters.count {
      let character = characters[index]
      let isLetter = character.isASCII && (character.properties.isAlphabetic || character == "_")
      guard isLetter || (!view.isEmpty && ("0"..."9").contains(character)) else { break }
      view.append(character)
      index += 1
    }
    return view.isEmpty ? nil : String(view)
  }

  private mutating func nameAndLabels() -> (String, [(name: String, value: String)])? {
    guard let name = word() else { return nil }
    var labels: [(name: String, value: String)] = []
    guard take("{") else { return (name, []) }
    while !take("}") {
      if !labels.isEmpty, !take(",") { return nil }
      guard let label = word(), take("="), take("\"") else { return nil }
      var value = String.UnicodeScalarView()
      while !take("\"") {
        guard index < characters.count else { return nil }
        if take("\\") {
          guard index < characters.count else { return nil }
          switch characters[index] {
          case "n": value.append("\n")
          case "\\", "\"": value.append(characters[index])
          default: return nil
          }
        } else {
          value.append(characters[index])
        }
        index += 1
      }
      labels.append((label, String(value)))
    }
    return (name, labels)
  }
}

extension String {
  /// Where `part` begins.
  fileprivate func range(of part: String) -> Index? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(part) { return start }
      start = index(after: start)
    }
    return nil
  }
}
