import Platform

/// Keeps the connections and loaded dictionaries of all segments of a store within bounds: what was not used for the
/// longest time is let go, and opened again when it is asked for.
///
/// Not for a store that is opened for reading only: beside a writer a file may be gone when it is opened again.
final class SegmentLimiter: Sendable {
  /// What it looks after, and what it holds at the moment.
  struct Figures: Sendable {
    var connectionCount = 0
    var bytes = 0
    var releaseCount = 0
  }

  private struct Member {
    weak var resources: SegmentResources?
  }

  private struct State {
    var members: [ObjectIdentifier: Member] = [:]
    var releaseCount = 0
  }

  let connectionsMax: Int
  let bytesMax: Int
  private let state = Locked(State())

  init(connectionsMax: Int, bytesMax: Int) {
    self.connectionsMax = connectionsMax
    self.bytesMax = bytesMax
  }

  func add(_ resources: SegmentResources) {
    state.withLock { $0.members[ObjectIdentifier(resources)] = Member(resources: resources) }
    resources.onGrowth { [weak self] in self?.enforce() }
    enforce()
  }

  func remove(_ resources: SegmentResources) {
    state.withLock { $0.members[ObjectIdentifier(resources)] = nil }
  }

  var figures: Figures {
    let (all, count) = members()
    return all.reduce(into: Figures(releaseCount: count)) { figures, one in
      figures.connectionCount += one.connectionCount
      figures.bytes += one.memoryBytes
    }
  }

  private func members() -> (all: [SegmentResources], releaseCount: Int) {
    state.withLock { state in (state.members.values.compactMap(\.resources), state.releaseCount) }
  }

  /// Lets go down to three quarters of what may be held, so that it is not done for each growth. Cost: O(segments).
  func enforce() {
    let all = members().all
    var connections = all.reduce(0) { $0 + $1.connectionCount }
    var bytes = all.reduce(0) { $0 + $1.memoryBytes }
    if connections <= connectionsMax && bytes <= bytesMax { return }
    // The one that was used last is being used.
    for resources in all.sorted(by: { $0.lastUse < $1.lastUse }).dropLast() {
      if connections <= connectionsMax / 4 * 3 && bytes <= bytesMax / 4 * 3 { return }
      let before = (resources.connectionCount, resources.memoryBytes)
      if before.0 == 0 && before.1 == 0 { continue }
      resources.release()
      connections -= before.0 - resources.connectionCount
      bytes -= before.1 - resources.memoryBytes
      state.withLock { $0.releaseCount += 1 }
    }
  }
}
