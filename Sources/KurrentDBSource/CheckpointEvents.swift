import EventModel
import WireFormats

/// Checkpoints that readers keep in streams of the store: seen in `$all`, they tell how far those are.
enum CheckpointEvents {
  /// Their first bytes and lengths rule out most others.
  private static let types = [
    "$ProjectionCheckpoint", "$ProjectionCheckpoint.V2", "$SubscriptionCheckpoint", "SubscriptionCheckpoint",
    "$EmmettProcessorCheckpointStored", "CheckpointStored", "check-point",
  ]
  private static let lengths = types.reduce(into: UInt64(0)) { $0 |= 1 << UInt64($1.utf8.count) }
  private static let starts = types.reduce(into: Set<UInt8>()) { $0.formUnion($1.utf8.prefix(1)) }

  /// Whether an event of this type is to be given to `read`.
  @inline(__always) static func mayBe(_ type: Range<Int>, _ message: UnsafeRawBufferPointer) -> Bool {
    guard type.count < 64, lengths >> UInt64(type.count) & 1 == 1 else { return false }
    return unsafe starts.contains(message[type.lowerBound])
  }

  /// Nil for an event that is no checkpoint of a kind that is known.
  static func read(stream: [UInt8], type: [UInt8], data: [UInt8], metadata: [UInt8]) -> ReaderProgress? {
    let stream = String(decoding: stream, as: UTF8.self)
    switch String(decoding: type, as: UTF8.self) {
    case "$ProjectionCheckpoint": return projection(stream, metadata, engine: 1)
    case "$ProjectionCheckpoint.V2": return projection(stream, data, engine: 2)
    case "$SubscriptionCheckpoint", "SubscriptionCheckpoint": return group(stream, data)
    case "$EmmettProcessorCheckpointStored": return consumer(data, name: "subscriptionId", position: "position")
    case "CheckpointStored" where stream.hasPrefix("checkpoint_"):
      return consumer(data, name: "SubscriptionId", position: "Position")
    case "check-point" where stream.hasPrefix("checkpoint_"):
      return commitAndPrepare(data, name: String(stream.dropFirst("checkpoint_".count)))
    default: return nil
    }
  }

  /// Streams of server projections: `$projections-NAME-checkpoint`. The tag of the first engine is the metadata.
  private static func projection(_ stream: String, _ tag: [UInt8], engine: Int) -> ReaderProgress? {
    guard let name = middle(stream, "$projections-", "-checkpoint"), let value = try? JSONValue.parse(tag) else {
      return nil
    }
    var progress = ReaderProgress(kind: .projection, name: name)
    progress.condition = .running
    let names = engine == 2 ? ("commitPosition", "preparePosition") : ("$c", "$p")
    if let commit = number(value[names.0]) {
      progress.checkpoint = PlaceText.place(commit: commit, prepare: number(value[names.1]) ?? commit)
    } else if let streams = value["$s"]?.members {
      progress.checkpoint = .streams(
        streams.compactMap { member in
          number(member.value).map { ReaderProgress.StreamPlace(stream: member.key, revision: $0) }
        })
    } else if let prepare = number(value["$p"]) {
      progress.checkpoint = PlaceText.place(commit: prepare, prepare: prepare)
    } else {
      return nil
    }
    return progress
  }

  /// `$persistentsubscription-STREAM::GROUP-checkpoint`; data is a text: `"42"` or `"C:10/P:10"`.
  private static func group(_ stream: String, _ data: [UInt8]) -> ReaderProgress? {
    guard let both = middle(stream, "$persistentsubscription-", "-checkpoint"), let value = try? JSONValue.parse(data),
      let separator = lastDoubleColon(both)
    else { return nil }
    let reads = String(both[..<separator])
    var progress = ReaderProgress(
      kind: .persistentSubscription, name: String(both[both.index(separator, offsetBy: 2)...]))
    progress.reads = reads
    progress.condition = .running
    let text = value.string ?? number(value).map { "\($0)" } ?? ""
    progress.checkpoint = PlaceText.read(text, stream: reads)
    return progress.checkpoint == nil ? nil : progress
  }

  /// A number, or a decimal text (with zeros in front), is a commit position.
  private static func consumer(_ data: [UInt8], name: String, position: String) -> ReaderProgress? {
    guard let value = try? JSONValue.parse(data), let id = value[name]?.string, !id.isEmpty else { return nil }
    var progress = ReaderProgress(kind: .consumer, name: id)
    progress.condition = .running
    switch value[position] {
    case .null?: progress.checkpoint = .start
    case let given?:
      guard let commit = number(given) else { return nil }
      progress.checkpoint = PlaceText.place(commit: commit, prepare: commit)
    case nil: return nil
    }
    return progress
  }

  private static func commitAndPrepare(_ data: [UInt8], name: String) -> ReaderProgress? {
    guard let value = try? JSONValue.parse(data), let commit = number(value["commit"]) else { return nil }
    var progress = ReaderProgress(kind: .consumer, name: name)
    progress.condition = .running
    progress.checkpoint = PlaceText.place(commit: commit, prepare: number(value["prepare"]) ?? commit)
    return progress
  }

  private static func number(_ value: JSONValue?) -> Int64? {
    switch value {
    case .number(let digits)?: Int64(digits)
    case .string(let text)?: Int64(text)
    default: nil
    }
  }

  private static func middle(_ text: String, _ start: String, _ end: String) -> String? {
    guard text.hasPrefix(start), text.hasSuffix(end), text.count > start.count + end.count else { return nil }
    return String(text.dropFirst(start.count).dropLast(end.count))
  }

  /// A stream's name may hold `::` itself, a group's name more rarely: the last one counts.
  private static func lastDoubleColon(_ text: String) -> String.Index? {
    var found: String.Index?
    for index in text.indices where text[index...].hasPrefix("::") { found = index }
    return found
  }
}
