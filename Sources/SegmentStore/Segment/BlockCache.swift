import Platform

/// Inflated blocks of all segments, the least recently used going first. Shared by all readers of a store.
///
/// Bounded in bytes; a block of more than a quarter of the bound is not kept. Complexity: O(1).
final class BlockCache: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private struct Key: Hashable {
    var segment: Int
    var block: Int
  }

  private struct Entry {
    var key: Key
    var block: DecodedBlock?
    var newer: Int
    var older: Int
  }

  struct Counters: Sendable {
    var hits = 0
    var misses = 0
    var bytes = 0
  }

  /// Workbenches that are kept for the next reader.
  static let benchCountMax = 8

  let bytesMax: Int
  /// Orders the uses of all readers of this cache.
  let useClock = SegmentUseClock()
  private let lock = Lock()
  private var places: [Key: Int] = [:]
  /// A ring in order of use; entry 0 is its fixed point: `older` of it is the newest, `newer` of it the oldest.
  private var entries = [Entry(key: Key(segment: 0, block: 0), block: nil, newer: 0, older: 0)]
  private var free: [Int] = []
  private var counted = Counters()
  private var nextSegment = 1
  private var benches: [BlockWorkbench] = []

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// Lends decoders; `body` may itself ask for others.
  func withWorkbench<R, E: Error>(_ body: (BlockWorkbench) throws(E) -> R) throws(E) -> R {
    let bench = lock.withLock { benches.popLast() } ?? BlockWorkbench()
    defer {
      if bench.memoryBytes <= BlockWorkbench.bytesMax {
        lock.withLock { if benches.count < Self.benchCountMax { benches.append(bench) } }
      }
    }
    return try body(bench)
  }

  var counters: Counters { lock.withLock { counted } }

  /// A number under which a reader keeps its blocks.
  func registerSegment() -> Int {
    lock.withLock {
      nextSegment += 1
      return nextSegment
    }
  }

  func block(_ number: Int, ofSegment segment: Int) -> DecodedBlock? {
    lock.withLock {
      guard let place = places[Key(segment: segment, block: number)] else {
        counted.misses += 1
        return nil
      }
      counted.hits += 1
      unlink(place)
      linkAsNewest(place)
      return entries[place].block
    }
  }

  func insert(_ block: DecodedBlock, ofSegment segment: Int) {
    if block.memoryBytes > bytesMax / 4 { return }
    lock.withLock {
      let key = Key(segment: segment, block: block.number)
      // Two readers may have inflated it at once.
      if places[key] != nil { return }
      let place = free.popLast() ?? entries.count
      let entry = Entry(key: key, block: block, newer: 0, older: 0)
      if place == entries.count { entries.append(entry) } else { entries[place] = entry }
      places[key] = place
      linkAsNewest(place)
      counted.bytes += block.memoryBytes
      while counted.bytes > bytesMax { remove(entries[0].newer) }
    }
  }

  /// A segment was closed: its blocks go.
  func removeSegment(_ segment: Int) {
    lock.withLock {
      for (key, place) in places where key.segment == segment { remove(place) }
    }
  }

  private func remove(_ place: Int) {
    unlink(place)
    counted.bytes -= entries[place].block?.memoryBytes ?? 0
    places[entries[place].key] = nil
    entries[place].block = nil
    free.append(place)
  }

  private func unlink(_ place: Int) {
    let entry = entries[place]
    entries[entry.newer].older = entry.older
    entries[entry.older].newer = entry.newer
  }

  private func linkAsNewest(_ place: Int) {
    let newest = entries[0].older
    entries[place].older = newest
    entries[place].newer = 0
    entries[newest].newer = place
    entries[0].older = place
  }
}
