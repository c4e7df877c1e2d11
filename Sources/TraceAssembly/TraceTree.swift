public import EventModel

/// A trace as trees. Events are addressed by their place in tree order: depth first, parents before children, tops
/// and siblings by ordinal. About 40 bytes an event beside `contents`.
public struct TraceTree: Sendable {
  public let contents: TraceContents
  public let summary: TraceSummary
  /// Of the trace as a whole; those of events come from `warnings(at:)`.
  public let warnings: [TraceWarning]
  /// Places from a top to the event that was created last.
  public let criticalPath: [Int]
  /// Unstored commands, by the first event that names them.
  public let phantoms: [PhantomCause]

  let order: [Int32]
  let placeOfRecord: [Int32]
  let parents: [Int32]
  let depths: [Int32]
  let subtreeEnds: [Int32]
  let causeKinds: [CauseKind]
  let findings: [(record: Int32, finding: Finding)]
  let externalCauses: [Identifier: Identifier?]
  let index: IdentifierIndex

  /// A cause that is stored nowhere, and the places of the events that name it.
  public struct PhantomCause: Hashable, Sendable {
    public var id: Identifier
    public var children: [Int]
  }

  /// Assembles a trace. Complexity: O(events), without recursion.
  ///
  /// - Parameter externalCauses: causes that are stored outside of this trace, with their trace (nil: in none). It only
  ///   changes cause kinds and warnings, never the summary.
  public static func assemble(
    _ contents: TraceContents, externalCauses: [Identifier: Identifier?] = [:]
  ) -> TraceTree {
    assemble(contents) { _ in externalCauses }
  }

  /// As `assemble`, asking for external causes once it is known which they are.
  ///
  /// - Parameters:
  ///   - causesMax: most that are asked for.
  ///   - locate: given the causes that no event of the trace has as its id, each once, by the first event that names
  ///     it, span ids and root markers left out, says what `TraceReader.locate` says of them. Not called without any.
  public static func assemble<E: Error>(
    _ contents: TraceContents, causesMax: Int = 10_000,
    locating locate: ([Identifier]) throws(E) -> [Identifier: Identifier?]
  ) throws(E) -> TraceTree {
    var assembly = Assembly(contents)
    for pass in StandardPasses.linking { pass(&assembly) }
    let outside = assembly.causesOutside(limit: causesMax)
    if !outside.isEmpty { assembly.externalCauses = try locate(outside) }
    for pass in StandardPasses.finishing { pass(&assembly) }
    return TraceTree(assembly)
  }

  init(_ assembly: Assembly) {
    contents = assembly.contents
    externalCauses = assembly.externalCauses
    index = assembly.index
    summary = TraceSummary(assembly)
    order = assembly.order
    depths = assembly.depth
    subtreeEnds = assembly.subtreeEnd
    var places = [Int32](repeating: -1, count: assembly.parent.count)
    for (place, record) in assembly.order.enumerated() { places[Int(record)] = Int32(place) }
    placeOfRecord = places
    parents = assembly.order.map { record in
      let parent = assembly.parent[Int(record)]
      return parent < 0 ? -1 : places[Int(parent)]
    }
    causeKinds = assembly.order.map { assembly.causeKind[Int($0)] }
    findings = assembly.findings.sorted { $0.record < $1.record }
    criticalPath = assembly.criticalPath.map { Int(places[Int($0)]) }
    phantoms = assembly.phantoms.map { phantom in
      PhantomCause(id: phantom.cause, children: phantom.records.map { Int(places[Int($0)]) })
    }
    warnings = assembly.contents.missing.map(Self.warning)
  }

  /// How many events the tree has, each id once.
  public var count: Int { order.count }
  public var places: Range<Int> { 0..<order.count }

  public func record(at place: Int) -> TraceRecord { contents.records[recordNumber(at: place)] }

  /// Which of `contents.records` it is: for those who read some fields of many, each without a copy of the record.
  public func recordNumber(at place: Int) -> Int { Int(order[place]) }

  /// The place of the parent; nil for a top (root, orphan, or the top of a cycle).
  public func parent(at place: Int) -> Int? { parents[place] < 0 ? nil : Int(parents[place]) }

  /// 1 for a top.
  public func depth(at place: Int) -> Int { Int(depths[place]) }

  public func causeKind(at place: Int) -> CauseKind { causeKinds[place] }

  /// Created minus created of the parent, in nanoseconds, held at the bounds; nil for a top.
  public func reactionLatency(at place: Int) -> Int64? {
    guard let parent = parent(at: place) else { return nil }
    return contents.records[recordNumber(at: place)].created.since(contents.records[recordNumber(at: parent)].created)
  }

  /// The event and everything below it.
  public func subtree(at place: Int) -> Range<Int> { place..<Int(subtreeEnds[place]) }

  /// The event of this id and everything below it; nil if the trace has no such event.
  public func subtree(of id: Identifier) -> Range<Int>? { place(of: id).map { subtree(at: $0) } }

  /// The place of the event with this id.
  public func place(of id: Identifier) -> Int? {
    let record = index.find(id, contents.records)
    return record < 0 ? nil : Int(placeOfRecord[record])
  }

  /// The place of the event with this ordinal; nil if the trace has no such event, or it is a duplicate's.
  public func place(ofOrdinal ordinal: Int64) -> Int? {
    var low = 0
    var high = contents.records.count
    while low < high {
      let middle = (low + high) / 2
      if contents.records[middle].ordinal < ordinal { low = middle + 1 } else { high = middle }
    }
    guard low < contents.records.count, contents.records[low].ordinal == ordinal, placeOfRecord[low] >= 0 else {
      return nil
    }
    return Int(placeOfRecord[low])
  }

  /// Direct effects, by ordinal. Complexity: O(effects).
  public func children(at place: Int) -> [Int] {
    var children: [Int] = []
    var child = place + 1
    while child < Int(subtreeEnds[place]) {
      children.append(child)
      child = Int(subtreeEnds[child])
    }
    return children
  }

  /// Roots, orphans and tops of cycles, by ordinal. Complexity: O(tops).
  public var tops: [Int] {
    var tops: [Int] = []
    var top = 0
    while top < count {
      tops.append(top)
      top = Int(subtreeEnds[top])
    }
    return tops
  }
}
