public import EventModel
import PrometheusText

/// Counts what was stored: executions, latencies, failures, traces, causality.
///
/// Plain and single-threaded: the owner guards it with one lock and calls `record` once for each batch. Counters start
/// at 0 with the process; `restore` brings back what must survive a restart (open traces, runs in flight).
public final class MetricsRecorder {
  /// What is known of one label of the store.
  struct LabelSlot {
    var names: EventLabels
    var source: Int
    var type: Int
    /// -1 until an event of the domain has this label: system events and reports make no handler.
    var handler: Int
    /// Tells handlers apart whose labels were folded.
    var identity: UInt32 = 0
  }

  /// What is known of a pair (label of the cause, label of the child).
  struct EdgeSlot {
    var handler: Int
    var identity: UInt32
    var executions: Int
    var failures: Int
    var reactions: Int
    var edge: Int
  }

  let options: MetricsOptions
  var directory: LabelDirectory
  var labels: [LabelSlot] = []
  private var edgeSlots: [UInt64: EdgeSlot] = [:]

  var sources = SourceTables()
  var eventsIngested: TypeTable
  var versions: VersionTable
  var ingestDelay: ExemplarHistogram
  var handlers: HandlerTables
  var causality: CausalityTables
  var pairs: PairBook
  var waiting: WaitingBook
  var traces: TraceBook
  var runs: RunBook
  var revisions: RevisionBook

  public init(options: MetricsOptions = MetricsOptions()) {
    self.options = options
    directory = LabelDirectory(options: options)
    eventsIngested = TypeTable(MetricCatalogue.eventsIngested, max: options.labelSetsMax)
    versions = VersionTable(options: options)
    ingestDelay = ExemplarHistogram(MetricCatalogue.ingestDelay, options)
    handlers = HandlerTables(options: options)
    causality = CausalityTables(options: options)
    pairs = PairBook(options: options)
    waiting = WaitingBook(options: options)
    traces = TraceBook(options: options)
    runs = RunBook(options: options)
    revisions = RevisionBook(options: options)
  }

  /// Counts what became of one batch.
  ///
  /// - Parameters:
  ///   - events: the batch that was appended (`AcceptedEvent.indexInBatch` points into it).
  ///   - source: the batch's source.
  ///   - arrival: when it was read; never earlier than in the call before.
  public func record(_ outcome: AppendOutcome, events: EventBatch, source: String, arrival: Timestamp) {
    let source = sourceIndex(source)
    for new in outcome.newLabels { learn(new.index, new.labels) }
    sources.dropped[source, .duplicate] += Int64(outcome.duplicateCount)
    sources.dropped[source, .conflict] += Int64(outcome.conflictCount)
    causality.conflicts[source, .idReused] += Int64(outcome.conflictCount)
    for event in outcome.accepted where event.eventClass != .report {
      events.withEvent(at: Int(event.indexInBatch)) { view in record(event, view, source, arrival) }
    }
    for edge in outcome.edges { record(edge, outcome, events, source, arrival) }
    expireWaiting(arrival)
  }

  /// Counts events that were received but not accepted for another reason than being known.
  public func recordDropped(_ count: Int, _ reason: DropReason, source: String) {
    sources.dropped[sourceIndex(source), reason] += Int64(count)
  }

  /// The time passes: closes traces, gives up waiting, ends leases. Call about once a second.
  public func tick(now: Timestamp) {
    expireWaiting(now)
    closeTraces(now)
    expireRuns(now)
  }

  /// The number of a source; known from its first mention on, with zeros for all its counters.
  func sourceIndex(_ name: String) -> Int {
    let index = directory.source(name)
    while sources.count < directory.sourceCount {
      sources.add(directory.sourceName(sources.count))
      causality.addSource(directory.sourceName(causality.sourceCount))
      traces.addSource(directory.sourceName(traces.sourceCount))
      _ = ingestDelay.addSeries()
    }
    return index
  }

  private func learn(_ index: UInt32, _ names: EventLabels) {
    while labels.count <= Int(index) {
      labels.append(
        LabelSlot(
          names: EventLabels(source: "", service: "", handler: "", type: "", identity: .none), source: -1, type: -1,
          handler: -1))
    }
    // The store's label 0 stands for whatever did not fit into its table, of any source.
    if index == 0 { return }
    let source = sourceIndex(names.source)
    labels[Int(index)] = LabelSlot(
      names: names, source: source, type: directory.type(names.type, source: source), handler: -1)
  }

  /// Type and source of a label; labels that were never announced count as overflow of the batch's source.
  func slot(_ label: UInt32, _ batchSource: Int) -> LabelSlot {
    if label < labels.count, labels[Int(label)].source >= 0 { return labels[Int(label)] }
    return LabelSlot(
      names: EventLabels(source: "", service: "", handler: "", type: "_overflow", identity: .none),
      source: batchSource, type: directory.overflowType(batchSource), handler: -1)
  }

  /// The handler behind a label, with zeros for all its counters from its first mention on.
  func handler(_ label: UInt32, _ batchSource: Int) -> Int {
    guard label < labels.count, labels[Int(label)].source >= 0 else {
      return handlers.grown(directory.overflowHandler(batchSource), directory)
    }
    if labels[Int(label)].handler >= 0 { return labels[Int(label)].handler }
    let names = labels[Int(label)].names
    let found = directory.handler(
      service: names.service, handler: names.handler, identity: names.identity.name,
      source: labels[Int(label)].source)
    labels[Int(label)].handler = found
    labels[Int(label)].identity = directory.identity(of: found, service: names.service, name: names.handler)
    return handlers.grown(found, directory)
  }

  /// What tells the handler behind a label from others that are counted together with it.
  func identity(_ label: UInt32, _ handler: Int) -> UInt32 {
    guard label < labels.count, labels[Int(label)].handler >= 0 else { return UInt32(handler) }
    return labels[Int(label)].identity
  }

  func isLive(_ created: Timestamp, _ arrival: Timestamp) -> Bool {
    switch options.liveWindow {
    case .all: true
    case .seconds(let seconds): Double(arrival.since(created)) <= seconds * 1e9
    }
  }

  /// The tables behind an edge; resolved once, then one look-up for each edge.
  func edgeSlot(cause: UInt32, child: UInt32, _ batchSource: Int) -> EdgeSlot {
    let key = UInt64(cause) << 32 | UInt64(child)
    if let known = edgeSlots[key], child != 0, cause != 0 { return known }
    let handler = handler(child, batchSource)
    let source = directory.handlers[handler].source
    let childType = slot(child, source).type
    let causeSlot = slot(cause, source)
    // The type that was handled counts among the types of the source whose handler it is.
    let causeType =
      causeSlot.source == source ? causeSlot.type : directory.type(causeSlot.names.type, source: source)
    let made = EdgeSlot(
      handler: handler, identity: identity(child, handler),
      executions: handlers.executions.group(handler: handler, type: causeType, &directory),
      failures: handlers.failures.group(handler: handler, type: causeType, &directory),
      reactions: handlers.reactions.group(handler: handler, type: childType, &directory),
      edge: causality.edges.series(cause: causeType, handler: handler, effect: childType, &directory))
    _ = handlers.grown(directory.handlers.count - 1, directory)
    // Only a cache: what falls out of it is found again in the tables.
    if edgeSlots.count >= 65_536 { edgeSlots.removeAll(keepingCapacity: true) }
    edgeSlots[key] = made
    return made
  }
}

/// Why an event was received but not accepted.
public enum DropReason: Int, CaseIterable, Sendable {
  case duplicate, conflict, filtered, decode, tooLarge, overload

  public var name: String {
    switch self {
    case .duplicate: "duplicate"
    case .conflict: "conflict"
    case .filtered: "filtered"
    case .decode: "decode"
    case .tooLarge: "too_large"
    case .overload: "overload"
    }
  }
}
