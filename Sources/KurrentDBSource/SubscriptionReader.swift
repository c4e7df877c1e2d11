import EventModel
package import EventSource
import HTTPClient
import Platform
import WireFormats

/// What ends a subscription from this side.
enum SubscriptionEnd: Error, Equatable {
  /// A message is no protobuf, or not of this protocol.
  case unreadable(String)
  /// The server sent an event from before the place where the subscription stands: the log is another one than before,
  /// or was cut (EventStoreDB 23.10 does this beyond the end of its log).
  case wentBack(from: SourcePosition, to: SourcePosition)
}

/// Takes the messages of a subscription to `$all`, makes a batch of their events, and knows where to resume.
///
/// Used by one thread. No String and no allocation for an event that is accepted.
package final class SubscriptionReader {
  /// What came, by kind; for tests and for `sources check`.
  struct Counts: Equatable {
    var events = 0
    var links = 0
    var refused = 0
    var repeated = 0
    var confirmations = 0
    var checkpoints = 0
    var caughtUp = 0
    var fellBehind = 0
    var others = 0
  }

  private let reader: EventLineReader
  private(set) var counts = Counts()
  private(set) var batch = EventBatch()
  private(set) var refusals: [Refusal] = []
  private(set) var refusedInBatch = 0
  private(set) var linksInBatch = 0
  /// The last place that needs not be read again; nil at the start of the log. A subscription resumes behind it.
  private(set) var resume: SourcePosition?
  /// The last event (links included) that was read: a record that exists, where checkpoints may lie beyond the last.
  private(set) var lastRecord: Record?
  /// All that there was has come; until it falls behind.
  private(set) var isCaughtUp = false
  private(set) var isConfirmed = false
  /// Since the batch before; at most `readersMax`, others come with their next checkpoint.
  private var readers: [ReaderProgress.Key: ReaderProgress] = [:]
  private static let readersMax = 1000
  private var resumeOfBatch: SourcePosition?
  private let bytesAhead: (events: Int, bytes: Int)

  struct Record: Equatable {
    var position: SourcePosition
    var id: IdentifierKey
  }

  init(rules: ReadingRules, clock: any WallClock = SystemClock(), resume: SourcePosition?, lastRecord: Record? = nil) {
    reader = EventLineReader(rules: rules, clock: clock)
    self.resume = resume
    self.lastRecord = lastRecord
    resumeOfBatch = resume
    bytesAhead = (1024, 1 << 20)
    batch.reserveCapacity(events: bytesAhead.events, bytes: bytesAhead.bytes)
  }

  /// A new call begins at `resume`; what is in the batch stays.
  func restart() {
    isCaughtUp = false
    isConfirmed = false
  }

  /// The batch holds events, or the place has moved, since the last one was taken.
  var hasNews: Bool { !batch.isEmpty || resume != resumeOfBatch || refusedInBatch > 0 }

  /// Gives the batch away and begins the next one.
  func takeBatch() -> FeedBatch {
    var taken = FeedBatch()
    swap(&taken.events, &batch)
    taken.refusals = refusals
    taken.refused = refusedInBatch
    taken.links = linksInBatch
    taken.isCaughtUp = isCaughtUp
    taken.readers = Array(readers.values)
    readers.removeAll()
    refusals = []
    refusedInBatch = 0
    linksInBatch = 0
    resumeOfBatch = resume
    batch.reserveCapacity(
      events: max(bytesAhead.events, taken.events.count), bytes: max(bytesAhead.bytes, taken.events.bytes.count))
    return taken
  }

  func take(_ message: UnsafeRawBufferPointer) throws(SubscriptionEnd) {
    let response: ReadResponse
    do throws(ProtobufError) {
      response = unsafe try ReadResponse(message)
    } catch {
      throw .unreadable(error.description)
    }
    switch response.content {
    case .event: unsafe try takeEvent(response, message)
    case .checkpoint:
      counts.checkpoints += 1
      if let position = response.position { advance(Self.exclusive(position)) }
    case .caughtUp:
      counts.caughtUp += 1
      isCaughtUp = true
      if let position = response.position { advance(Self.exclusive(position)) }
    case .fellBehind:
      counts.fellBehind += 1
      isCaughtUp = false
    case .confirmation:
      counts.confirmations += 1
      isConfirmed = true
    case .unknown, .streamNotFound, .firstStreamPosition, .lastStreamPosition, .lastAllStreamPosition:
      counts.others += 1
    }
  }

  /// (C, 0) stands for "all up to the record at C" and must not be resumed as it is: servers from 24.10 on would send
  /// the event at C again.
  static func exclusive(_ position: SourcePosition) -> SourcePosition {
    position.minor == 0 ? SourcePosition(major: position.major, minor: position.major) : position
  }

  /// A checkpoint may be lower than what is known already: before anything has matched, it is (0, 0).
  private func advance(_ position: SourcePosition) {
    guard position.major > 0 else { return }
    if resume.map({ $0 < position }) ?? true { resume = position }
  }

  private func takeEvent(_ response: ReadResponse, _ message: UnsafeRawBufferPointer) throws(SubscriptionEnd) {
    guard let record = response.link ?? response.event else {
      throw .unreadable("an event without a record")
    }
    let position = record.event.position
    guard position.major != .max, position.minor != .max else {
      throw .unreadable("an event of $all without a position")
    }
    if let resume, position <= resume {
      if position.major < resume.major { throw .wentBack(from: resume, to: position) }
      counts.repeated += 1
      return
    }
    resume = position
    lastRecord = Record(position: position, id: record.event.id)
    if unsafe response.link != nil || Self.isLink(record.event.type, message) {
      counts.links += 1
      linksInBatch += 1
      return
    }
    if unsafe CheckpointEvents.mayBe(record.event.type, message) { unsafe noteReader(record.event, message) }
    switch record.created {
    case .read: break
    case .absent: return refuse("the event has no created", position)
    case .malformed: return refuse("created is no number of 100 ns", position)
    case .outOfRange: return refuse("created is outside the years 1677 to 2262", position)
    }
    if record.identity == .other { return refuse("the event's id is no UUID", position) }
    switch unsafe reader.read(record.event, in: message, into: &batch) {
    case .event: counts.events += 1
    case .blank: break
    case .refused(let reason): refuse(reason, position)
    }
  }

  private func noteReader(_ event: RecordedEvent, _ message: UnsafeRawBufferPointer) {
    let found = unsafe CheckpointEvents.read(
      stream: Array(message[event.stream]), type: Array(message[event.type]), data: Array(message[event.data]),
      metadata: Array(message[event.metadata]))
    guard let found, readers.count < Self.readersMax || readers[found.key] != nil else { return }
    readers[found.key] = found
  }

  private func refuse(_ reason: String, _ position: SourcePosition) {
    counts.refused += 1
    refusedInBatch += 1
    if refusals.count < FeedBatch.refusalsMax {
      refusals.append(Refusal(line: 0, reason: "position \(position.description): \(reason)"))
    }
  }

  /// `$>` and `$@` point at events and are none.
  @inline(__always) private static func isLink(_ type: Range<Int>, _ message: UnsafeRawBufferPointer) -> Bool {
    guard type.count == 2, unsafe message[type.lowerBound] == 0x24 else { return false }
    let second = unsafe message[type.lowerBound + 1]
    return second == 0x3e || second == 0x40
  }
}

extension SubscriptionReader {
  /// Reads a whole body of gRPC frames (one byte flag, four bytes length, message) into batches for the sink: what a
  /// subscription does, without a connection. For figures.
  ///
  /// - Throws: if a message cannot be read.
  package static func decode(frames: [UInt8], eventCountMax: Int, into sink: any FeedSink) throws(FeedProblem) {
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    var limits = KurrentDBFeed.Limits()
    limits.eventCountMax = eventCountMax
    let session = Session(reader, sink, limits)
    unsafe frames.withUnsafeBytes { all in
      var start = 0
      while start + 5 <= all.count {
        let length = unsafe Int(UInt32(bigEndian: all.loadUnaligned(fromByteOffset: start + 1, as: UInt32.self)))
        let end = min(start + 5 + length, all.count)
        let message = unsafe UnsafeRawBufferPointer(rebasing: all[(start + 5)..<end])
        if unsafe !session.take(GRPCMessage(bytes: message, isCompressed: false)) { return }
        start = end
      }
      session.handOver(evenPlace: true)
    }
    if let problem = session.problem { throw problem }
  }
}
