import EventModel

// The columns of each kind of chunk, in the order in which they are written.

extension SegmentEdge: ChunkRow {
  static var table: StaticString { "edges" }
  var bound: Int64 { childCreated.nanoseconds }

  static func encode(_ rows: ArraySlice<SegmentEdge>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.childCreated.nanoseconds })
    writer.putDeltas(rows.lazy.map { $0.childOrdinal })
    for row in rows { writer.putSigned(row.childOrdinal &- row.causeOrdinal) }
    for row in rows { writer.putSigned(row.latency) }
    writer.putNumbers(rows.lazy.map { $0.childLabel })
    writer.putNumbers(rows.lazy.map { $0.causeLabel })
    for row in rows { writer.put(row.childFailure.rawValue) }
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [SegmentEdge] {
    let created = try reader.getDeltas(count)
    let ordinals = try reader.getDeltas(count)
    var distances: [Int64] = []
    var latencies: [Int64] = []
    distances.reserveCapacity(count)
    latencies.reserveCapacity(count)
    for _ in 0..<count { distances.append(try reader.getSigned()) }
    for _ in 0..<count { latencies.append(try reader.getSigned()) }
    let children = try reader.getNumbers(count)
    let causes = try reader.getNumbers(count)
    let failures = try reader.getFailures(count)
    return (0..<count).map { row in
      SegmentEdge(
        childLabel: children[row], causeLabel: causes[row], childCreated: Timestamp(nanoseconds: created[row]),
        latency: latencies[row], childFailure: failures[row], childOrdinal: ordinals[row],
        causeOrdinal: ordinals[row] &- distances[row])
    }
  }
}

extension SegmentFailure: ChunkRow {
  static var table: StaticString { "failures" }
  var bound: Int64 { created.nanoseconds }

  static func encode(_ rows: ArraySlice<SegmentFailure>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.created.nanoseconds })
    writer.putNumbers(rows.lazy.map { $0.label })
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [SegmentFailure] {
    let created = try reader.getDeltas(count)
    let labels = try reader.getNumbers(count)
    return (0..<count).map { SegmentFailure(label: labels[$0], created: Timestamp(nanoseconds: created[$0])) }
  }
}

extension UnresolvedChild: ChunkRow {
  static var table: StaticString { "unresolved" }
  var bound: Int64 { ordinal }

  static func encode(_ rows: ArraySlice<UnresolvedChild>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.ordinal })
    writer.putDeltas(rows.lazy.map { $0.created.nanoseconds })
    writer.putNumbers(rows.lazy.map { $0.label })
    writer.putNumbers(rows.lazy.map { $0.sourceIndex })
    for row in rows { writer.put(row.failure.rawValue) }
    writer.putIdentifiers(rows.map { $0.trace })
    writer.putIdentifiers(rows.map { $0.cause })
    writer.putIdentifiers(rows.map { $0.childID })
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [UnresolvedChild] {
    let ordinals = try reader.getDeltas(count)
    let created = try reader.getDeltas(count)
    let labels = try reader.getNumbers(count)
    let sources = try reader.getNumbers(count)
    let failures = try reader.getFailures(count)
    let traces = try reader.getIdentifiers(count)
    let causes = try reader.getPresentIdentifiers(count)
    let children = try reader.getIdentifiers(count)
    for row in 0..<count where traces[row] == nil && children[row] == nil {
      throw .badValue(field: "identifier", atByte: reader.offset)
    }
    return (0..<count).map { row in
      UnresolvedChild(
        cause: causes[row], childID: children[row], ordinal: ordinals[row],
        created: Timestamp(nanoseconds: created[row]), label: labels[row], trace: traces[row],
        failure: failures[row], sourceIndex: sources[row])
    }
  }
}

extension UncorrelatedEvent: ChunkRow {
  static var table: StaticString { "uncorrelated" }
  var bound: Int64 { ordinal }

  static func encode(_ rows: ArraySlice<UncorrelatedEvent>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.ordinal })
    writer.putDeltas(rows.lazy.map { $0.created.nanoseconds })
    writer.putNumbers(rows.lazy.map { $0.label })
    writer.putNumbers(rows.lazy.map { $0.sourceIndex })
    for row in rows { writer.put(row.failure.rawValue) }
    writer.putIdentifiers(rows.map { $0.cause })
    writer.putIdentifiers(rows.map { $0.id })
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [UncorrelatedEvent] {
    let ordinals = try reader.getDeltas(count)
    let created = try reader.getDeltas(count)
    let labels = try reader.getNumbers(count)
    let sources = try reader.getNumbers(count)
    let failures = try reader.getFailures(count)
    let causes = try reader.getIdentifiers(count)
    let ids = try reader.getPresentIdentifiers(count)
    return (0..<count).map { row in
      UncorrelatedEvent(
        ordinal: ordinals[row], id: ids[row], cause: causes[row], sourceIndex: sources[row], label: labels[row],
        created: Timestamp(nanoseconds: created[row]), failure: failures[row])
    }
  }
}

/// A child of an earlier segment whose cause arrived with this one.
struct HealedChild: Hashable, ChunkRow {
  var ordinal: Int64

  static var table: StaticString { "healed" }
  var bound: Int64 { ordinal }

  static func encode(_ rows: ArraySlice<HealedChild>, into writer: inout ByteWriter) {
    writer.putDeltas(rows.lazy.map { $0.ordinal })
  }

  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [HealedChild] {
    try reader.getDeltas(count).map { HealedChild(ordinal: $0) }
  }
}
