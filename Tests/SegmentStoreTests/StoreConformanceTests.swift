import EventModel
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// The contract of every store, held by the one on disk: as it is, sealed after every few events, sealed after every
/// call, and closed and reopened after every call.
@Suite("Segment store: the contract") struct StoreConformanceTests {
  @Test(arguments: StoreConformance.cases)
  func `hot only`(_ each: StoreConformance.Case) throws { try run(each, sealEventCount: 1_000_000) { $0 } }

  @Test(arguments: StoreConformance.cases)
  func `sealed every three events`(_ each: StoreConformance.Case) throws { try run(each, sealEventCount: 3) { $0 } }

  @Test(arguments: StoreConformance.cases)
  func `sealed between any two operations`(_ each: StoreConformance.Case) throws {
    try run(each, sealEventCount: 1_000_000) { store in
      try store.seal()
      return store
    }
  }

  @Test(arguments: StoreConformance.cases)
  func `reopened between any two operations`(_ each: StoreConformance.Case) throws {
    try run(each, sealEventCount: 1_000_000, reopen: true) { $0 }
  }

  @Test(arguments: StoreConformance.cases)
  func `sealed every three events and reopened between any two operations`(_ each: StoreConformance.Case) throws {
    try run(each, sealEventCount: 3, reopen: true) { $0 }
  }

  private func run(
    _ each: StoreConformance.Case, sealEventCount: Int, reopen: Bool = false,
    _ disturb: @escaping (any TraceStore) throws -> any TraceStore
  ) throws {
    var options = StoreOptions()
    options.sealEventCount = sealEventCount
    options.durability = .process
    options.retention.freeDiskBytes = 0
    let open = options
    var directories: [TemporaryDirectory] = []
    try each.run {
      let directory = try TemporaryDirectory("store")
      directories.append(directory)
      return try SegmentStore.open(directory: directory.path, options: open)
    } disturb: { store in
      guard reopen, let known = store as? SegmentStore else { return try disturb(store) }
      known.close()
      return try SegmentStore.open(directory: known.directory, options: open)
    }
  }
}
