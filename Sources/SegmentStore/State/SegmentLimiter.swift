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

  /// Lets go down to three quarters of what may be held, so that it is not done for each growth: connections first,
  /// dictionaries where that is not enough. Cost: O(segments).
  func enforce() {
    let all = members().all
    var held = Held()
    for resources in all { held.add(resources) }
    if held.connections <= connectionsMax && held.bytes <= bytesMax { return }
    // The one that was used last is being used.
    let idle = all.sorted { $0.lastUse < $1.lastUse }.dropLast()
    for connectionsOnly in [true, false] {
      for resources in idle {
        if held.connections <= connectionsMax / 4 * 3 && held.bytes <= bytesMax / 4 * 3 { return }
        var before = Held()
        before.add(resources)
        if before.connections == 0 && (connectionsOnly || before.bytes == 0) { continue }
        resources.release(connectionsOnly: connectionsOnly)
        held.connections -= before.connections - resources.connectionCount
        held.bytes -= before.bytes - resources.memoryBytes
        state.withLock { $0.releaseCount += 1 }
      }
    }
  }

  private struct Held {
    var connections = 0
    var bytes = 0

    mutating func add(_ resources: SegmentResources) {
      connections += resources.connectionCount
      bytes += resources.memoryBytes
    }
  }
}
