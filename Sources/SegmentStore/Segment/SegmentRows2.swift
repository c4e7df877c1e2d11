import EventModel
import TraceStore

extension BlockZone: ChunkRow {
  static var table: StaticString { "block_zones" }
  var bound: Int64 { Int64(number) }

  static func encode(_ rows: ArraySlice<BlockZone>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { Int64($0.number) })
    for row in rows { writer.putVarint(UInt64(row.eventCount)) }
    writer.putDeltas(rows.lazy.map { $0.firstOrdinal })
    for row in rows { writer.putSigned(row.lastOrdinal &- row.firstOrdinal) }
    writer.putDeltas(rows.lazy.map { $0.firstCreated.nanoseconds })
    for row in rows { writer.putSigned(row.lastCreated.nanoseconds &- row.firstCreated.nanoseconds) }
    for row in rows { writer.putVarint(UInt64(row.traceCount)) }
    for row in rows where row.traceCount > 0 {
      writer.putSigned(row.firstTraceCreated.nanoseconds &- row.firstCreated.nanoseconds)
      writer.putSigned(row.lastTraceCreated.nanoseconds &- row.firstTraceCreated.nanoseconds)
    }
    for row in rows { writer.putVarint(UInt64(row.rawBytes)) }
    writer.putDeltas(rows.lazy.map { Int64($0.headStart) })
    for row in rows { writer.putVarint(UInt64(row.headBytes)) }
    writer.putDeltas(rows.lazy.map { Int64($0.dataStart) })
    for row in rows { writer.putVarint(UInt64(row.dataBytes)) }
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [BlockZone] {
    var zones: [BlockZone] = []
    zones.reserveCapacity(count)
    for number in try reader.getDeltas(count) {
      guard number >= 1, number <= Int64(SegmentLimits.blockCountMax) else {
        throw .badValue(field: "block number", atByte: reader.offset)
      }
      zones.append(BlockZone(emptyNumber: Int(number)))
    }
    try reader.fill(&zones, \.eventCount)
    for (row, ordinal) in try reader.getDeltas(count).enumerated() { zones[row].firstOrdinal = ordinal }
    for row in 0..<count { zones[row].lastOrdinal = zones[row].firstOrdinal &+ (try reader.getSigned()) }
    for (row, time) in try reader.getDeltas(count).enumerated() {
      zones[row].firstCreated = Timestamp(nanoseconds: time)
    }
    for row in 0..<count {
      let time = zones[row].firstCreated.nanoseconds &+ (try reader.getSigned())
      zones[row].lastCreated = Timestamp(nanoseconds: time)
    }
    try reader.fill(&zones, \.traceCount)
    for row in 0..<count where zones[row].traceCount > 0 {
      let first = zones[row].firstCreated.nanoseconds &+ (try reader.getSigned())
      zones[row].firstTraceCreated = Timestamp(nanoseconds: first)
      zones[row].lastTraceCreated = Timestamp(nanoseconds: first &+ (try reader.getSigned()))
    }
    try reader.fill(&zones, \.rawBytes)
    for (row, start) in try reader.getDeltas(count).enumerated() { zones[row].headStart = Int(start) }
    try reader.fill(&zones, \.headBytes)
    for (row, start) in try reader.getDeltas(count).enumerated() { zones[row].dataStart = Int(start) }
    try reader.fill(&zones, \.dataBytes)
    return zones
  }

  /// Whether a segment can hold such a block.
  var isPossible: Bool {
    eventCount > 0 && eventCount <= Int(Int32.max) && firstOrdinal <= lastOrdinal && firstCreated <= lastCreated
      && traceCount <= eventCount && rawBytes > 0 && headStart >= 0 && dataStart >= 0 && headBytes > 0 && dataBytes > 0
      && max(rawBytes, headBytes, dataBytes) <= Self.countMax
  }
}

extension ByteReader {
  /// A column of counts; none is beyond 40 bits.
  fileprivate mutating func fill<Row>(_ rows: inout [Row], _ field: WritableKeyPath<Row, Int>) throws(CodingError) {
    for row in rows.indices { rows[row][keyPath: field] = try getCount() }
  }

  mutating func getCount() throws(CodingError) -> Int {
    let start = offset
    let value = try getVarint()
    guard value < 1 << 40 else { throw .badValue(field: "count", atByte: start) }
    return Int(value)
  }
}

extension UncountedFailure: ChunkRow {
  static var table: StaticString { "uncounted_failures" }
  var bound: Int64 { ordinal }

  static func encode(_ rows: ArraySlice<UncountedFailure>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.ordinal })
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [UncountedFailure] {
    try reader.getDeltas(count).map { UncountedFailure(ordinal: $0) }
  }
}

extension SegmentSketch: ChunkRow {
  static var table: StaticString { "sketches" }
  var bound: Int64 { Int64(childLabel) }

  static func encode(_ rows: ArraySlice<SegmentSketch>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { Int64($0.childLabel) })
    writer.putNumbers(rows.lazy.map { $0.causeLabel })
    for row in rows { writer.putVarint(UInt64(row.failureCount)) }
    for row in rows { writer.putVarint(UInt64(row.latencies.negativeCount)) }
    for row in rows {
      writer.putSigned(row.latencies.minimum ?? 0)
      writer.putSigned(row.latencies.maximum ?? 0)
    }
    for row in rows {
      let buckets = row.latencies.buckets
      writer.putVarint(UInt64(buckets.count))
      var last: Int64 = 0
      for bucket in buckets {
        // The first one may be anything; behind it the next bucket is the likeliest, and one more the likeliest count.
        writer.putSigned(Int64(bucket.bucket) - last)
        last = Int64(bucket.bucket) + 1
      }
      for bucket in buckets { writer.putVarint(UInt64(bucket.count - 1)) }
    }
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [SegmentSketch] {
    let labels = try reader.getDeltas(count)
    let causes = try reader.getNumbers(count)
    var failures: [Int] = []
    for _ in 0..<count { failures.append(try reader.getCount()) }
    var negatives: [Int] = []
    for _ in 0..<count { negatives.append(try reader.getCount()) }
    var bounds: [(Int64, Int64)] = []
    for _ in 0..<count { bounds.append((try reader.getSigned(), try reader.getSigned())) }
    var rows: [SegmentSketch] = []
    for row in 0..<count {
      let start = reader.offset
      let bucketCount = try reader.getCount()
      guard bucketCount <= reader.remaining else { throw .badValue(field: "bucket count", atByte: start) }
      var buckets: [(bucket: Int32, count: Int)] = []
      buckets.reserveCapacity(bucketCount)
      var next: Int64 = 0
      for _ in 0..<bucketCount {
        let bucket = next &+ (try reader.getSigned())
        guard let small = Int32(exactly: bucket) else { throw .badValue(field: "bucket", atByte: start) }
        buckets.append((small, 0))
        next = bucket &+ 1
      }
      for place in 0..<bucketCount { buckets[place].count = try reader.getCount() + 1 }
      guard let label = UInt32(exactly: labels[row]),
        let sketch = LatencySketch(
          negativeCount: negatives[row], minimum: bounds[row].0, maximum: bounds[row].1, buckets: buckets),
        failures[row] <= sketch.count
      else { throw .badValue(field: "sketch", atByte: start) }
      rows.append(
        SegmentSketch(childLabel: label, causeLabel: causes[row], failureCount: failures[row], latencies: sketch))
    }
    return rows
  }
}
