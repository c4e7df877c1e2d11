import EventModel
import Platform
import WireFormats

/// Appends to streams of an event store as the official clients do: one call for all, each append a message of it
/// (`Streams/BatchAppend`), answered under an id of its own.
final class EventStoreAppend: ShopStore {
  private let call: OpenCall
  private var ids: ShopRandom
  private static let answerSeconds = 10.0
  static let path = "streams.Streams/BatchAppend"

  init(_ access: EventStoreAccess, seed: UInt64) {
    // Only the ids of requests depend on it.
    ids = ShopRandom(seed: seed ^ 0x5eed)
    call = OpenCall(access, Self.path)
  }

  func write(_ events: [ShopEvent]) throws(ShopProblem) {
    let requests = Self.runs(events).map { run in
      let id = ids.identifier()
      return (id: id, message: Self.request(id, run, deadline: SystemClock().now().nanoseconds))
    }
    var unanswered = Set(requests.map(\.id))
    var refusal: ShopProblem?
    for request in requests { try call.send(request.message) }
    let deadline = Instant.now.advanced(bySeconds: Self.answerSeconds)
    while !unanswered.isEmpty {
      guard Instant.now < deadline else {
        call.close()
        throw ShopProblem(
          "an append was not answered within \(Self.answerSeconds) s", hint: "Is the server overloaded?")
      }
      try call.receive(until: deadline) { message in
        guard let answer = Answer(message) else { return }
        unanswered.remove(answer.id)
        if let problem = answer.problem { refusal = ShopProblem("an append was refused: \(problem)") }
      }
    }
    if let refusal { throw refusal }
  }

  /// Answers the pings of the server; a call that broke is opened again by the next append.
  func idle() { try? call.receive(until: Instant.now) { _ in } }

  /// Events that follow one another in one stream are appended together.
  static func runs(_ events: [ShopEvent]) -> [[ShopEvent]] {
    var runs: [[ShopEvent]] = []
    for event in events {
      if runs.last?.first?.stream == event.stream {
        runs[runs.count - 1].append(event)
      } else {
        runs.append([event])
      }
    }
    return runs
  }

  /// Message BatchAppendReq, as the official Node client fills it.
  static func request(_ id: String, _ events: [ShopEvent], deadline now: Int64) -> [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { $0.put(2, text: id) }
    request.put(2) { options in
      options.put(1) { $0.put(3, text: events[0].stream) }
      // Any expected position.
      options.put(4) { _ in }
      options.put(6) { time in
        let end = now + Int64(answerSeconds * 1e9)
        time.put(1, int: end / 1_000_000_000)
        time.put(2, int: end % 1_000_000_000)
      }
    }
    for event in events {
      request.put(3) { proposed in
        proposed.put(1) { $0.put(2, text: event.id) }
        for (key, value) in [("content-type", "application/json"), ("type", event.type)] {
          proposed.put(2) { entry in
            entry.put(1, text: key)
            entry.put(2, text: value)
          }
        }
        proposed.put(3, bytes: event.metadata)
        proposed.put(4, bytes: event.data)
      }
    }
    request.put(4, bool: true)
    return request.bytes
  }

  /// Message BatchAppendResp.
  struct Answer {
    var id = ""
    /// Nil: appended.
    var problem: String?

    init?(_ message: [UInt8]) {
      let read = unsafe message.withUnsafeBufferPointer { typed -> Answer? in
        var answer = Answer()
        var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(typed))
        do throws(ProtobufError) {
          while unsafe try reader.next() {
            switch unsafe reader.field {
            case 1: answer.id = unsafe try GroupMessage.text(2, in: reader.message())
            case 2:
              let reason = unsafe try GroupMessage.text(2, in: reader.message())
              answer.problem = reason.isEmpty ? "no reason given" : reason
            default: unsafe try reader.skip()
            }
          }
        } catch { return nil }
        return answer
      }
      guard let read else { return nil }
      self = read
    }

    private init() {}
  }
}
