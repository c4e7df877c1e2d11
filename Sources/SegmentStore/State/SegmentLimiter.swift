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
    /// How often dictionaries or kinds of a segment were let go.
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
  /// One at a time lets go: two would each think that it is left to them.
  private let enforcing = Lock()

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

  /// Lets go of what was not used for the longest time: connections first, where there are too many of them down to three
  /// quarters, so that it is not done for each one; where there are still too many bytes dictionaries, and at last kinds,
  /// and no more of them than must be, for each is megabytes and milliseconds. Cost: O(segments).
  func enforce() { enforcing.withLock { letGo() } }

  private func letGo() {
    let all = members().all
    var held = Held()
    for resources in all { held.add(resources) }
    if held.connections <= connectionsMax && held.bytes <= bytesMax { return }
    // The one that was used last is being used.
    let idle = Array(all.sorted { $0.lastUse < $1.lastUse }.dropLast())
    let connectionsKept = held.connections > connectionsMax ? connectionsMax * 3 / 4 : connectionsMax
    release(.connections, of: idle, &held) { $0.bytes > bytesMax || $0.connections > connectionsKept }
    // Connections that are lent out cannot be closed now, and what is loaded does not make them fewer.
    for part in [SegmentResources.Part.dictionary, .kinds] { release(part, of: idle, &held) { $0.bytes > bytesMax } }
  }

  private func release(
    _ part: SegmentResources.Part, of idle: [SegmentResources], _ held: inout Held, while isTooMuch: (Held) -> Bool
  ) {
    for resources in idle where isTooMuch(held) {
      var before = Held()
      before.add(resources)
      resources.release(part)
      var after = Held()
      after.add(resources)
      if after.connections == before.connections && after.bytes == before.bytes { continue }
      held.connections += after.connections - before.connections
      held.bytes += after.bytes - before.bytes
      // Closing a connection costs next to nothing, and happens all the time near the bound.
      if part != .connections { state.withLock { $0.releaseCount += 1 } }
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
