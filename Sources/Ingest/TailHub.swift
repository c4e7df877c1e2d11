public import EventModel
public import Platform

/// What a reader of live events gets next.
public enum TailItem: Sendable {
  case event(StoredEvent)
  /// So many events matched but did not fit into the reader's queue.
  case lost(Int)
}

/// Hands stored events to whoever listens; never holds up storing.
///
/// Each reader has a bounded queue. What does not fit is dropped, counted, and told to the reader in its place.
public final class TailHub: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let lock = Lock()
  private var subscriptions: [ObjectIdentifier: TailSubscription] = [:]
  private var isClosed = false
  private let subscribersMax: Int
  private let metrics: ClewMetrics?

  public init(subscribersMax: Int = 64, metrics: ClewMetrics? = nil) {
    self.subscribersMax = subscribersMax
    self.metrics = metrics
  }

  /// Starts to listen; nil if there are as many readers as allowed, or the hub is closed.
  ///
  /// - Parameters:
  ///   - queueMax: events that wait for this reader at most.
  ///   - payload: events come with data and metadata.
  ///   - filter: called on the writer's thread for each stored event: quick, and without side effects.
  public func subscribe(
    queueMax: Int = 1000, payload: Bool = false, _ filter: @escaping @Sendable (StoredEvent) -> Bool
  ) -> TailSubscription? {
    let subscription = TailSubscription(hub: self, queueMax: queueMax, payload: payload, filter: filter)
    let added = lock.withLock { () -> Bool in
      if isClosed || subscriptions.count >= subscribersMax { return false }
      subscriptions[ObjectIdentifier(subscription)] = subscription
      return true
    }
    if added { reportCount() }
    return added ? subscription : nil
  }

  public var subscriberCount: Int { lock.withLock { subscriptions.count } }

  /// Ends all subscriptions.
  public func close() {
    let all = lock.withLock { () -> [TailSubscription] in
      isClosed = true
      defer { subscriptions = [:] }
      return Array(subscriptions.values)
    }
    for subscription in all { subscription.end() }
    reportCount()
  }

  func remove(_ subscription: TailSubscription) {
    lock.withLock { _ = subscriptions.removeValue(forKey: ObjectIdentifier(subscription)) }
    reportCount()
  }

  /// Gives the accepted events of a batch to all readers. Costs nothing while nobody listens.
  func publish(_ outcome: AppendOutcome, _ events: EventBatch, source: String) {
    let readers = lock.withLock { Array(subscriptions.values) }
    if readers.isEmpty { return }
    let withPayload = readers.contains { $0.payload }
    var dropped = 0
    for accepted in outcome.accepted where accepted.eventClass != .report {
      var event = events.withEvent(at: Int(accepted.indexInBatch)) { view in
        StoredEvent(view, source: source, correlation: nil, payload: withPayload)
      }
      event.ordinal = accepted.ordinal
      if event.position == SourcePosition(major: 0) {
        event.position = SourcePosition(major: UInt64(accepted.ordinal))
      }
      event.correlation = Self.correlation(of: accepted, event, outcome)
      for reader in readers where !reader.offer(event) { dropped += 1 }
    }
    if dropped > 0 { metrics?.updatePipeline { $0.tailDropped += Int64(dropped) } }
  }

  /// The trace's id: the event's own, or the one it inherited in this batch.
  private static func correlation(
    of accepted: AcceptedEvent, _ event: StoredEvent, _ outcome: AppendOutcome
  ) -> Identifier? {
    if accepted.trace.isZero { return nil }
    if let own = event.ownCorrelation { return own }
    if event.id.key == accepted.trace { return event.id }
    return outcome.edges.first { $0.childOrdinal == accepted.ordinal }?.correlation
  }

  private func reportCount() {
    let count = Int64(subscriberCount)
    metrics?.updatePipeline { $0.tailSubscribers = count }
  }
}

/// One reader of live events.
public final class TailSubscription: @unchecked Sendable {
  // `@unchecked Sendable`: the queue's state is touched inside `lock` only.
  private let lock = Lock()
  private weak var hub: TailHub?
  /// Payload bytes that wait for one reader at most; one bigger event waits alone.
  static let queueBytesMax = 4 << 20

  private let queueMax: Int
  private var queuedBytes = 0
  private let filter: @Sendable (StoredEvent) -> Bool
  let payload: Bool
  private var items: [TailItem] = []
  private var lost = 0
  private var isEnded = false

  init(hub: TailHub, queueMax: Int, payload: Bool, filter: @escaping @Sendable (StoredEvent) -> Bool) {
    self.hub = hub
    self.queueMax = max(1, queueMax)
    self.payload = payload
    self.filter = filter
  }

  /// False if the event matched and had to be dropped.
  func offer(_ event: StoredEvent) -> Bool {
    guard filter(event) else { return true }
    return lock.withLock {
      if isEnded { return true }
      let bytes = payload ? event.payloadByteCount : 0
      if items.count >= queueMax || (queuedBytes > 0 && queuedBytes + bytes > Self.queueBytesMax) {
        lost += 1
        return false
      }
      if lost > 0 {
        items.append(.lost(lost))
        lost = 0
      }
      var event = event
      if !payload {
        // Another reader wants it; for this one it would only wait in memory.
        event.data = nil
        event.metadata = nil
      }
      items.append(.event(event))
      queuedBytes += bytes
      lock.wakeAll()
      return true
    }
  }

  /// The next items, waiting for the first until the deadline: empty then, nil after the end.
  public func next(limit: Int = 100, until deadline: Instant) -> [TailItem]? {
    lock.withLock {
      while items.isEmpty && lost == 0 && !isEnded {
        if !lock.wait(until: deadline) && Instant.now >= deadline { return [] }
      }
      if items.isEmpty && lost == 0 { return nil }
      var taken = Array(items.prefix(limit))
      items.removeFirst(taken.count)
      for case .event(let event) in taken { queuedBytes -= event.payloadByteCount }
      if items.isEmpty && lost > 0 && taken.count < limit {
        taken.append(.lost(lost))
        lost = 0
      }
      return taken
    }
  }

  /// Stops listening; a waiting `next` returns nil.
  public func cancel() {
    hub?.remove(self)
    end()
  }

  func end() {
    lock.withLock {
      isEnded = true
      items = []
      lost = 0
      lock.wakeAll()
    }
  }
}
