import EventModel
import WireFormats

/// What the services of a server say of those who read it: messages SubscriptionInfo and Details of kurrentdb.proto.
enum ServiceReports {
  static let groupsPath = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/List"
  static let projectionsPath = "/event_store.client.projections.Projections/Statistics"

  /// A request for all groups.
  static var groupsRequest: [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { options in options.put(1) { _ in } }
    return request.bytes
  }

  /// A request for all projections. Those of queries are left out when the answer is read.
  static var projectionsRequest: [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { options in options.put(2) { _ in } }
    return request.bytes
  }

  /// Message ListResp, or GetInfoResp: both have SubscriptionInfo under 1.
  static func groups(_ message: [UInt8]) throws(ProtobufError) -> [ReaderProgress] {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      var found: [ReaderProgress] = []
      var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(typed))
      while unsafe try reader.next() {
        if unsafe reader.field == 1 {
          found.append(unsafe try group(reader.message()))
        } else {
          unsafe try reader.skip()
        }
      }
      return found
    }
  }

  private static func group(_ given: ProtobufReader) throws(ProtobufError) -> ReaderProgress {
    var reader = unsafe given
    var group = ReaderProgress(kind: .persistentSubscription, name: "")
    var stream = ""
    var checkpoint = ""
    var known = ""
    var connections = 0
    var parked: Int64 = 0
    var inFlight: Int64 = 0
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: stream = unsafe try reader.text()
      case 2: group.name = unsafe try reader.text()
      case 3: group.conditionText = unsafe try reader.text()
      case 4:
        _ = unsafe try reader.slice()
        connections += 1
      case 8: checkpoint = unsafe try reader.text()
      case 9: known = unsafe try reader.text()
      case 24: inFlight = unsafe try reader.int()
      case 28: parked = unsafe try reader.int()
      default: unsafe try reader.skip()
      }
    }
    group.reads = stream
    group.checkpoint = PlaceText.read(checkpoint, stream: stream)
    group.processed = PlaceText.read(known, stream: stream)
    group.connections = connections
    group.parked = parked
    group.inFlight = inFlight
    // `Live`, `Behind`, `Behind, OutstandingPageRequest` and the like are all at work; `NotReady` is not yet.
    group.condition = group.conditionText.contains("NotReady") || group.conditionText.isEmpty ? .other : .running
    return group
  }

  /// Message StatisticsResp; nil for none, and for a query, which is no projection that somebody waits for.
  static func projection(_ message: [UInt8]) throws(ProtobufError) -> ReaderProgress? {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      var found: ReaderProgress?
      var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(typed))
      while unsafe try reader.next() {
        if unsafe reader.field == 1 {
          found = unsafe try details(reader.message())
        } else {
          unsafe try reader.skip()
        }
      }
      return found
    }
  }

  private static func details(_ given: ProtobufReader) throws(ProtobufError) -> ReaderProgress? {
    var reader = unsafe given
    var projection = ReaderProgress(kind: .projection, name: "")
    var mode = ""
    var position = ""
    var checkpoint = ""
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 8: projection.conditionText = unsafe try reader.text()
      case 9: projection.reason = unsafe try reader.text()
      case 10: projection.name = unsafe try reader.text()
      case 11: mode = unsafe try reader.text()
      case 12: position = unsafe try reader.text()
      case 14: checkpoint = unsafe try reader.text()
      default: unsafe try reader.skip()
      }
    }
    if mode == "Transient" { return nil }
    // Of the second engine both are always empty: only its checkpoint stream tells.
    projection.processed = PlaceText.read(position)
    projection.checkpoint = PlaceText.read(checkpoint)
    projection.condition = condition(projection.conditionText)
    return projection
  }

  /// As the server's own metrics do: by how the text begins.
  static func condition(_ text: String) -> ReaderProgress.Condition {
    let lower = text.lowercased()
    for (word, condition) in [
      ("running", ReaderProgress.Condition.running), ("faulted", .faulted), ("stopped", .stopped),
    ]
    where lower.hasPrefix(word) {
      return condition
    }
    return .other
  }
}
