import EventModel

/// Which segments go, and which lose a part: pure functions, so that their tests are tables.
enum RetentionPlan {
  struct Segment: Equatable {
    var name: String
    var lastStored: Timestamp
    var bytes: Int
    /// Bytes of the frames of each source; nil: not known.
    var sources: [String: Int]?
  }

  struct Situation {
    var now: Timestamp
    /// Bytes of all segments and hot files: what is hot is never deleted, but counts.
    var totalBytes: Int
    /// Free bytes of the volume; nil if that is unknown.
    var availableBytes: Int?
  }

  /// Names of the segments to delete: those whose events are all too old, and then the oldest ones, without a gap, until
  /// size and free space are as they shall be.
  ///
  /// - Parameter segments: by age, the oldest first.
  static func plan(_ segments: [Segment], _ situation: Situation, _ policy: RetentionPolicy) -> [String] {
    var dropped = Set(segments.filter { isExpired($0, situation.now, policy) }.map(\.name))
    var total = situation.totalBytes
    var available = situation.availableBytes
    for segment in segments where dropped.contains(segment.name) {
      total -= segment.bytes
      available? += segment.bytes
    }
    for segment in segments where !dropped.contains(segment.name) {
      let isTooMuch = policy.totalBytes.map { total > $0 } ?? false
      let isTooFull = available.map { $0 < policy.freeDiskBytes } ?? false
      guard isTooMuch || isTooFull else { break }
      dropped.insert(segment.name)
      total -= segment.bytes
      available? += segment.bytes
    }
    return segments.map(\.name).filter { dropped.contains($0) }
  }

  /// Sources whose events in this segment are too old to be kept.
  static func expiredSources(_ segment: Segment, _ now: Timestamp, _ policy: RetentionPolicy) -> Set<String> {
    Set((segment.sources ?? [:]).keys.filter { isOlder(segment.lastStored, than: policy.age(ofSource: $0), at: now) })
  }

  /// Whether it is worth writing this segment anew for what it would lose: more than half of it is too old.
  static func isMostlyExpired(_ segment: Segment, _ now: Timestamp, _ policy: RetentionPolicy) -> Bool {
    guard let sources = segment.sources, !policy.sourceAges.isEmpty else { return false }
    let expired = expiredSources(segment, now, policy).reduce(0) { $0 + (sources[$1] ?? 0) }
    return expired > sources.values.reduce(0, +) / 2
  }

  private static func isExpired(_ segment: Segment, _ now: Timestamp, _ policy: RetentionPolicy) -> Bool {
    if let sources = segment.sources, !sources.isEmpty {
      return expiredSources(segment, now, policy).count == sources.count
    }
    // Whose events these are is not known: they go when nobody's would be kept.
    if policy.age == nil { return false }
    return isOlder(segment.lastStored, than: policy.longestAge, at: now)
  }

  private static func isOlder(_ time: Timestamp, than age: Duration?, at now: Timestamp) -> Bool {
    guard let age else { return false }
    let limit = age.wholeNanoseconds
    return limit < .max && now.since(time) > limit
  }
}

extension RetentionPolicy {
  /// Nil: its events are kept for ever.
  func age(ofSource name: String) -> Duration? {
    for (source, age) in sourceAges where source.utf8.elementsEqual(name.utf8) { return age }
    return age
  }

  var longestAge: Duration? { ([age] + sourceAges.values.map { $0 }).compactMap { $0 }.max() }
  var shortestAge: Duration? { ([age] + sourceAges.values.map { $0 }).compactMap { $0 }.min() }
}
