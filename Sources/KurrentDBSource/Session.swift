import EventModel
import EventSource
import HTTPClient
import Platform

/// One subscription while it runs: messages to batches, batches to the sink.
///
/// Used by the thread that reads.
final class Session {
  private let reader: SubscriptionReader
  private let sink: any FeedSink
  private let limits: KurrentDBFeed.Limits
  private var lastPlace = Instant(nanoseconds: 0)
  private var told: Bool?
  /// What ends the subscription from this side.
  private(set) var problem: FeedProblem?
  /// The sink wants no more.
  private(set) var isOver = false

  init(_ reader: SubscriptionReader, _ sink: any FeedSink, _ limits: KurrentDBFeed.Limits) {
    self.reader = reader
    self.sink = sink
    self.limits = limits
    reader.restart()
  }

  /// - Returns: false if nothing more is wanted.
  func take(_ message: GRPCMessage) -> Bool {
    if message.isCompressed {
      guard let plain = Unpacked.bytes(message) else {
        problem = FeedProblem(.error, "a message cannot be unpacked", hint: "leave gzip=true out")
        return false
      }
      unsafe plain.withUnsafeBytes { unsafe read($0) }
    } else {
      unsafe read(message.bytes)
    }
    if problem != nil { return false }
    if reader.batch.count >= limits.eventCountMax || reader.batch.bytes.count >= limits.bytesMax
      || reader.refusedInBatch >= limits.eventCountMax
    {
      handOver(evenPlace: true)
    }
    return !isOver
  }

  private func read(_ message: UnsafeRawBufferPointer) {
    do throws(SubscriptionEnd) {
      unsafe try reader.take(message)
    } catch {
      switch error {
      case .unreadable(let reason):
        problem = FeedProblem(
          .error, "a message of the subscription cannot be read: \(reason)",
          hint: "is there a proxy between that changes answers?")
      case .wentBack(let place, let event):
        problem = LogIdentity.beyondHead(place, event)
      }
    }
  }

  /// Hands over what there is; a place alone only now and then, or when it is wanted.
  func handOver(evenPlace: Bool) {
    guard reader.isConfirmed else { return handOverBatch(evenPlace: evenPlace) }
    if told == nil { tell(isCaughtUp: false) }
    handOverBatch(evenPlace: evenPlace)
    // Not before: "caught up" may have come in one piece with everything that was there.
    if told != reader.isCaughtUp { tell(isCaughtUp: reader.isCaughtUp) }
  }

  private func tell(isCaughtUp: Bool) {
    told = isCaughtUp
    sink.connected(isCaughtUp: isCaughtUp)
  }

  private func handOverBatch(evenPlace: Bool) {
    guard !isOver, reader.hasNews else { return }
    if reader.batch.isEmpty, reader.refusedInBatch == 0, !evenPlace {
      let now = Instant.now
      guard now.seconds(since: lastPlace) >= limits.placeSeconds else { return }
      lastPlace = now
    }
    var batch = reader.takeBatch()
    if let place = reader.resume {
      batch.checkpoint = SourceCheckpoint(
        source: "", position: place, token: ResumeToken.text(reader.lastRecord))
    }
    if sink.take(batch) != .goOn { isOver = true }
  }

  /// After everything that was there has been handed over.
  func idle() {
    if !isOver, sink.idle() != .goOn { isOver = true }
  }
}
