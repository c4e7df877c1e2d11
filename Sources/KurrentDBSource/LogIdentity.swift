import EventModel
import EventSource
import HTTPClient
import WireFormats

/// Whether a log is the one that was read before, and what is at its end.
struct LogIdentity {
  struct Record: Equatable {
    var position: SourcePosition
    var id: IdentifierKey
    var created: Timestamp
  }

  private let calls: ServerCalls
  private let node: KurrentDBAddress.Host

  init(_ calls: ServerCalls, _ node: KurrentDBAddress.Host) {
    self.calls = calls
    self.node = node
  }

  static func beyondHead(_ place: SourcePosition, _ found: SourcePosition) -> FeedProblem {
    FeedProblem(
      .refused,
      "the log is shorter than what was read of it: position \(found.description) comes after \(place.description)",
      hint: "a node that lags behind catches up; after a restored backup, or with another database, give the source a "
        + "new name (name=…) to read the log from its start")
  }

  /// - Parameters:
  ///   - record: the last record that was read, where it is known.
  ///   - place: of the checkpoint.
  /// - Throws: `.refused` if the log is another one, or ends before that record.
  func check(_ record: SubscriptionReader.Record?, _ place: SourcePosition) throws(FeedProblem) {
    let seconds = calls.address.deadlineSeconds
    if let record {
      if let found = try records(.forwards(from: record.position, count: 1), .none, seconds: seconds).first {
        // What was scavenged is gone, and the next one stands there.
        if found.position > record.position || found.id == record.id { return }
        throw FeedProblem(
          .refused, "at position \(record.position.description) the log has another event than the one that was read",
          hint: "another database, or a log that was cut and written again; give the source a new name (name=…)")
      }
    }
    guard let last = try records(.latest(1), .none, seconds: seconds).first else {
      throw FeedProblem(
        .serverClosed, "\(node.text) says that its log is empty, though \(place.description) was read before",
        hint: "it is starting, or it is another database")
    }
    if record != nil { throw Self.beyondHead(place, last.position) }
  }

  /// The records of a read that has an end.
  func records(
    _ kind: ReadRequest.Kind, _ filter: KurrentDBAddress.Filter, seconds: Double
  ) throws(FeedProblem) -> [Record] {
    let message = ReadRequest(kind: kind, filter: filter).message
    let answer = try calls.collect(ReadRequest.path, message, node, seconds: seconds)
    guard answer.status.code == 0 else { throw calls.problem(answer.status, node) }
    var records: [Record] = []
    for message in answer.messages {
      do throws(ProtobufError) {
        let response = try Self.response(message)
        guard response.content == .event, let record = response.link ?? response.event else { continue }
        records.append(
          Record(position: record.event.position, id: record.event.id, created: record.event.created))
      } catch {
        throw FeedProblem(.error, "an answer of \(node.text) cannot be read: \(error)", hint: "")
      }
    }
    return records
  }

  static func response(_ message: [UInt8]) throws(ProtobufError) -> ReadResponse {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      unsafe try ReadResponse(UnsafeRawBufferPointer(typed))
    }
  }
}
