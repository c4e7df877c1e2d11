import EventModel

/// Which segments become one: a pure function, so that its test is a table.
///
/// Segments have sizes (`load`), and sizes have tiers, each `factor` times as wide as the one below. A window of
/// neighbours is merged when together they reach the tier above the largest of them: so each rewriting lifts every event
/// by a tier, and no event is rewritten more often than there are tiers. What cannot grow any more is left alone.
enum MergePlan {
  struct Segment: Equatable, Sendable {
    var events: Int
    var rawBytes: Int
    var fileBytes: Int
    var firstStored: Timestamp
    var lastStored: Timestamp
    /// False: damaged, or something that is no segment lies between it and the one before it.
    var followsPrevious = true
    var isUsable = true
  }

  struct Limits: Equatable, Sendable {
    /// Events of a hot file when it is sealed, and bytes of their frames.
    var sealEvents: Int
    var sealRawBytes: Int
    var factor = 8
    /// How many tiers lie above what sealing makes: 1 ends at `factor` times a sealed hot file.
    var levelMax = 1
    /// Events of one segment are stored within so many nanoseconds: retention deletes whole segments.
    var spanMax: Int64?
    var fileBytesMax: Int?
    /// Files that are open for one merge.
    var inputsMax = 64
    /// More segments than this that can still grow are merged, whatever their sizes.
    var growingMax = 128
  }

  /// The neighbours that are to be merged next, at least two; nil if nothing is to be done.
  ///
  /// - Parameter segments: by ordinal. Complexity: O(tiers * segments).
  static func next(_ segments: [Segment], _ limits: Limits) -> Range<Int>? {
    let tiers = Tiers(limits)
    let loads = segments.map { tiers.load($0) }
    for tier in 0..<tiers.last {
      let window = Window(segments, loads, limits) { tiers.tier(of: $0) <= tier }
      if let found = window.first(reaching: tiers.bounds[tier + 1]) { return found }
    }
    let growing = Window(segments, loads, limits) { tiers.tier(of: $0) < tiers.last }
    return growing.count > limits.growingMax ? growing.lightest(limits.factor) : nil
  }

  /// Segments that are not yet of the size at which they are left alone.
  static func growingCount(_ segments: [Segment], _ limits: Limits) -> Int {
    let tiers = Tiers(limits)
    return segments.count { $0.isUsable && tiers.tier(of: tiers.load($0)) < tiers.last }
  }

  /// Sizes at which tiers begin, ascending; the last tier is that of segments that are never merged again.
  struct Tiers {
    let bounds: [Int]
    private let limits: Limits

    init(_ limits: Limits) {
      self.limits = limits
      let factor = max(2, limits.factor)
      var bound = max(1, limits.sealEvents)
      for _ in 0..<max(0, limits.levelMax) {
        let (product, overflow) = bound.multipliedReportingOverflow(by: factor)
        if !overflow { bound = product }
      }
      var bounds = [bound]
      while bound > 1 {
        bound = max(1, bound / factor)
        bounds.append(bound)
      }
      self.bounds = bounds.reversed()
    }

    var last: Int { bounds.count - 1 }

    /// The size of a segment in events; large events count as as many as fit into a hot file in their place.
    func load(_ segment: Segment) -> Int {
      let bytesPerEvent = max(1, limits.sealRawBytes / max(1, limits.sealEvents))
      return max(1, segment.events, segment.rawBytes / bytesPerEvent)
    }

    func tier(of load: Int) -> Int { (bounds.lastIndex { $0 <= load }) ?? 0 }
  }

  /// Stretches of neighbours that may be merged with each other.
  private struct Window {
    private let segments: [Segment]
    private let loads: [Int]
    private let limits: Limits
    private let mayJoin: [Bool]

    init(_ segments: [Segment], _ loads: [Int], _ limits: Limits, _ isSmall: (Int) -> Bool) {
      self.segments = segments
      self.loads = loads
      self.limits = limits
      mayJoin = zip(segments, loads).map { $0.isUsable && isSmall($1) }
    }

    var count: Int { mayJoin.reduce(0) { $0 + ($1 ? 1 : 0) } }

    private func joins(_ index: Int) -> Bool {
      index > 0 && mayJoin[index - 1] && mayJoin[index] && segments[index].followsPrevious
    }

    private func fits(_ range: ClosedRange<Int>) -> Bool {
      let last = segments[range.upperBound]
      if let spanMax = limits.spanMax, last.lastStored.since(segments[range.lowerBound].firstStored) > spanMax {
        return false
      }
      if let bytesMax = limits.fileBytesMax, segments[range].reduce(0, { $0 + $1.fileBytes }) > bytesMax {
        return false
      }
      return true
    }

    /// The oldest and then shortest window that together reaches `bound`.
    func first(reaching bound: Int) -> Range<Int>? {
      var start = 0
      var sum = 0
      for end in segments.indices {
        if !joins(end) {
          start = end
          sum = 0
        }
        if !mayJoin[end] { continue }
        sum += loads[end]
        while start < end && !fits(start...end) {
          sum -= loads[start]
          start += 1
        }
        if end - start + 1 > limits.inputsMax { return start..<(start + limits.inputsMax) }
        guard sum >= bound, end > start else { continue }
        while start + 1 < end && sum - loads[start] >= bound {
          sum -= loads[start]
          start += 1
        }
        return start..<(end + 1)
      }
      return nil
    }

    /// The window of at most so many neighbours that costs least.
    func lightest(_ width: Int) -> Range<Int>? {
      var best: (range: Range<Int>, load: Int)?
      var run = 0
      for end in segments.indices {
        run = joins(end) ? min(run + 1, max(2, width)) : mayJoin[end] ? 1 : 0
        // Wide windows first: a narrow one, however light, takes away too little.
        guard run >= 2 else { continue }
        let range = (end - run + 1)..<(end + 1)
        let load = loads[range].reduce(0, +)
        if let known = best, (known.range.count, -known.load) >= (run, -load) { continue }
        best = (range, load)
      }
      return best?.range
    }
  }
}
