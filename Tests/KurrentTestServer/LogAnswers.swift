import Platform

/// Which events of the log a call wants to see.
final class LogView {
  let log: EventLog
  private let verdict: ((String) -> Bool)?
  private let isOnStream: Bool
  private var known: [Int8] = []

  init(_ log: EventLog, _ filter: EventFilter?, _ verdict: ((String) -> Bool)?) {
    self.log = log
    self.verdict = verdict
    isOnStream = filter?.isOnStream ?? false
  }

  @inline(__always) func matches(_ index: Int) -> Bool {
    guard verdict != nil else { return true }
    let entry = log.entries[index]
    let number = isOnStream ? entry.stream : entry.type
    if number < known.count && known[number] >= 0 { return known[number] == 1 }
    return decide(number)
  }

  private func decide(_ number: Int) -> Bool {
    while known.count <= number { known.append(-1) }
    let name = isOnStream ? log.streams.names[number] : log.types.names[number]
    let matches = verdict?(name) ?? true
    known[number] = matches ? 1 : 0
    return matches
  }
}

/// A count read of `$all`: forwards from a position with it, backwards without it.
final class AllRead: Answer {
  private let view: LogView
  private let request: ReadRequest
  private var next: Int
  private var left: UInt64

  init(_ view: LogView, _ request: ReadRequest) {
    self.view = view
    self.request = request
    left = request.count ?? 0
    switch request.from {
    case .position(let position):
      next = view.log.index(behind: position, inclusive: true) - (request.isBackwards ? 1 : 0)
    case .end: next = view.log.visible - (request.isBackwards ? 1 : 0)
    default: next = request.isBackwards ? -1 : 0
    }
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    var count = 0
    let step = request.isBackwards ? -1 : 1
    while left > 0, next >= 0, next < view.log.visible {
      if count >= messagesMax || out.count >= Self.bytesAtOnce { return (count, .more) }
      if !view.log.entries[next].isGone && view.matches(next) {
        view.log.append(next, idsAsText: request.idsAsText ?? false, to: out)
        count += 1
        left -= 1
      }
      next += step
    }
    return (count, .finished(.ok))
  }
}

/// A subscription to `$all`: what was stored behind the position, then what is stored later.
final class AllSubscription: Answer {
  private enum Phase { case confirming, catchingUp, arriving, live, ended }

  private let view: LogView
  private let behaviour: Behaviour
  private let idsAsText: Bool
  private let interval: UInt64?
  private let start: LogPosition?
  private let isBeyondHead: Bool
  private let refusedAfterConfirmation: CallStatus?
  private var phase = Phase.confirming
  private var next: Int
  private var considered: UInt64 = 0
  private var last: (position: LogPosition, matched: Bool)?
  private static let identifier = "3d9e8a4c-52f1-4f0b-9a65-0c8f3b1d7e24"

  init(_ view: LogView, _ request: ReadRequest, _ behaviour: Behaviour, refusedAfterConfirmation: CallStatus?) {
    self.view = view
    self.behaviour = behaviour
    self.refusedAfterConfirmation = refusedAfterConfirmation
    idsAsText = request.idsAsText ?? false
    if case .filter(let filter) = request.filter {
      interval = max(1, filter.multiplier * (filter.window ?? 32))
    } else {
      interval = nil
    }
    var from: LogPosition?
    if case .position(let position) = request.from { from = position }
    start = from
    isBeyondHead = from.map { $0 > view.log.head ?? LogPosition(commit: 0, prepare: 0) } ?? false
    switch request.from {
    case .position(let position):
      // 23.10 looks at the commit position alone; later servers give the event at C again to whoever asks for (C, 0).
      let asked = behaviour.version < Version(24, 2) ? LogPosition(commit: position.commit, prepare: .max) : position
      next = view.log.index(behind: asked, inclusive: false)
    case .end: next = view.log.visible
    default: next = 0
    }
  }

  override var isLive: Bool { phase != .ended }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    var count = 0
    while count < messagesMax && out.count < Self.bytesAtOnce {
      switch phase {
      case .confirming:
        out.append(message: built { $0.append(field: 2) { $0.append(field: 1, text: Self.identifier) } })
        count += 1
        phase = .catchingUp
        if let refusal = refusedAfterConfirmation {
          phase = .ended
          return (count, .finished(refusal))
        }
      case .catchingUp where next < view.log.visible, .live where next < view.log.visible:
        count += advance(out)
      case .catchingUp:
        phase = .arriving
        if interval != nil, considered > 0 || behaviour.version >= Version(24, 2) && !isBeyondHead {
          count += checkpoint(out)
        }
      case .arriving:
        phase = .live
        if let caughtUp = caughtUpMessage() {
          out.append(message: caughtUp)
          count += 1
        }
      case .live: return (count, .waiting(until: nil))
      case .ended: return (count, .waiting(until: nil))
      }
    }
    return (count, .more)
  }

  /// Considers one event; returns how many messages that gave.
  @inline(__always) private func advance(_ out: ByteQueue) -> Int {
    let index = next
    next += 1
    let entry = view.log.entries[index]
    if entry.isGone { return 0 }
    if isBeyondHead, let start, entry.position <= start, behaviour.version >= Version(24, 2) { return 0 }
    let matches = view.matches(index)
    var count = 0
    if matches {
      view.log.append(index, idsAsText: idsAsText, to: out)
      count = 1
    }
    guard let interval else {
      last = (entry.position, true)
      return count
    }
    last = (entry.position, matches || phase == .live)
    considered += 1
    if considered >= interval { count += checkpoint(out) }
    return count
  }

  /// Where the subscription stands. In catch-up behind an event that did not match: with prepare 0.
  private var place: LogPosition {
    guard let last else { return start ?? LogPosition(commit: 0, prepare: 0) }
    return last.matched ? last.position : LogPosition(commit: last.position.commit, prepare: 0)
  }

  private func checkpoint(_ out: ByteQueue) -> Int {
    considered = 0
    let place = self.place
    out.append(
      message: built {
        $0.append(field: 3) {
          $0.append(position: place)
          if behaviour.version.hasTimestamps { $0.append(field: 3) { $0.appendNow() } }
        }
      })
    return 1
  }

  /// A caught-up message as this version sends it; nil for one that does not know it.
  func caughtUpMessage() -> [UInt8]? {
    let form = behaviour.caughtUp ?? behaviour.version.caughtUp
    if form == .absent { return nil }
    var place = self.place
    if form == .prepareZero { place.prepare = 0 }
    return built {
      $0.append(field: 8) {
        if form == .empty { return }
        $0.append(field: 1) { $0.appendNow() }
        $0.append(field: 3) { $0.append(position: place) }
      }
    }
  }
}

extension ByteQueue {
  /// Zero is left out, as proto3 does.
  func append(position: LogPosition) {
    if position.commit != 0 { append(field: 1, varint: position.commit) }
    if position.prepare != 0 { append(field: 2, varint: position.prepare) }
  }

  func appendNow() {
    let now = SystemClock().now().nanoseconds
    append(field: 1, varint: UInt64(now / 1_000_000_000))
    append(field: 2, varint: UInt64(now % 1_000_000_000))
  }
}

/// Reads of one stream, and subscriptions to it.
final class StreamRead: Answer {
  private enum Phase { case beginning, reading, live }

  private let log: EventLog
  private let stream: String
  private let request: ReadRequest
  private let behaviour: Behaviour
  private var phase = Phase.beginning
  private var indexes: [Int] = []
  private var next = 0
  private var scanned = 0
  private var left: UInt64

  init(_ log: EventLog, _ request: ReadRequest, _ behaviour: Behaviour) {
    self.log = log
    self.request = request
    self.behaviour = behaviour
    stream = request.stream
    left = request.count ?? .max
  }

  override var isLive: Bool { request.isSubscription }

  override var refusal: CallStatus? {
    guard let number = log.streams.find(stream), let deleted = log.types.find("$streamDeleted"),
      log.entries.prefix(log.visible).contains(where: { $0.stream == number && $0.type == deleted })
    else { return nil }
    return CallStatus(
      code: 9, message: "Event stream '\(stream)' is deleted.",
      trailers: [("exception", "stream-deleted"), ("stream-name", stream)])
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    var count = 0
    if phase == .beginning {
      phase = .reading
      if request.isSubscription {
        out.append(message: built { $0.append(field: 2) { $0.append(field: 1, text: "stream-subscription") } })
        count += 1
      }
      scan()
      if indexes.isEmpty && !request.isSubscription {
        out.append(
          message: built { $0.append(field: 4) { $0.append(field: 1) { $0.append(field: 3, text: stream) } } })
        return (count + 1, .finished(.ok))
      }
      choose()
    }
    if request.isSubscription { scan() }
    while next < indexes.count && left > 0 {
      if count >= messagesMax || out.count >= Self.bytesAtOnce { return (count, .more) }
      log.append(indexes[next], idsAsText: request.idsAsText ?? false, to: out)
      next += 1
      left -= 1
      count += 1
    }
    if !request.isSubscription { return (count, .finished(.ok)) }
    if phase == .reading {
      phase = .live
      if (behaviour.caughtUp ?? behaviour.version.caughtUp) != .absent {
        out.append(message: built { $0.append(field: 8) { _ in } })
        count += 1
      }
    }
    return (count, .waiting(until: nil))
  }

  /// Adds the events of the stream that became visible since.
  private func scan() {
    guard let number = log.streams.find(stream) else { return }
    while scanned < log.visible {
      let entry = log.entries[scanned]
      if entry.stream == number && !entry.isGone { indexes.append(scanned) }
      scanned += 1
    }
  }

  private func choose() {
    if request.isBackwards {
      if case .revision(let revision) = request.from {
        indexes.removeAll { log.entries[$0].revision > revision }
      } else if request.from == .start {
        indexes = Array(indexes.prefix(1))
      }
      indexes.reverse()
      return
    }
    switch request.from {
    case .revision(let revision):
      let first = indexes.firstIndex {
        log.entries[$0].revision > revision || !request.isSubscription && log.entries[$0].revision == revision
      }
      next = first ?? indexes.count
    case .end: next = indexes.count
    default: next = 0
    }
  }
}
