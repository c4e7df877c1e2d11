import EventModel

/// What a checkpoint says beside its position: the last record that was read, by which the log is known again.
///
/// As text: `record=COMMIT-PREPARE/ID`. The position of a checkpoint may lie beyond the last record; that of this
/// record does not.
enum ResumeToken {
  static func text(_ record: SubscriptionReader.Record?) -> String {
    guard let record else { return "" }
    return "record=\(record.position.major)-\(record.position.minor)/\(Identifier(uuid: record.id))"
  }

  /// Nil for a token that says nothing of it.
  static func read(_ token: String) -> SubscriptionReader.Record? {
    guard token.hasPrefix("record=") else { return nil }
    let halves = token.dropFirst("record=".count).split(separator: "/", maxSplits: 1)
    let numbers = halves.first?.split(separator: "-", maxSplits: 1).compactMap { UInt64($0) } ?? []
    guard halves.count == 2, numbers.count == 2, let id = Identifier(String(halves[1])), id.isUUID else { return nil }
    return SubscriptionReader.Record(position: SourcePosition(major: numbers[0], minor: numbers[1]), id: id.key)
  }
}
