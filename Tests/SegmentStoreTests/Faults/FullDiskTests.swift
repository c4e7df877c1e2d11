import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// A disk that is full: nothing is acknowledged that is not stored, reading goes on, and so does writing once there is
/// space.
@Suite("Segment store: a full disk") struct StoreFullDiskTests {
  private let run: FaultRun

  init() throws {
    run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    try run.open()
    for start in [1, 11, 21] {
      try run.append(FaultLoopTests.batches(start...(start + 9)))
      try run.seal()
    }
    try run.append(FaultLoopTests.batches(31...40))
  }

  private func refusal(_ body: () throws -> Void) -> StoreError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? StoreError)?.code
    }
  }

  @Test(arguments: [0, 1, 100, 5_000, 40_000, 100_000])
  func `appending stops, reading goes on, and appending goes on when there is space`(room: Int) throws {
    run.disk.setCapacity(run.disk.bytesUsed + room)
    var code: StoreError.Code?
    var number = 41
    while code == nil && number < 2_000 {
      code = refusal { try run.append(FaultLoopTests.batches(number...(number + 9))) }
      number += 10
    }
    #expect(code == .diskFull)
    try run.check()
    #expect(refusal { try run.append(FaultLoopTests.batches(number...(number + 9))) } == .diskFull)
    try run.read()
    run.disk.setCapacity(nil)
    try run.append(FaultLoopTests.batches(number...(number + 9)))
    try run.check()
    try run.restart(.powerLoss)
    try run.check()
    run.close()
  }

  @Test(arguments: [0, 10_000, 30_000, 60_000])
  func `sealing waits for space, and loses nothing`(room: Int) throws {
    run.disk.setCapacity(run.disk.bytesUsed + room)
    let code = refusal { try run.seal() }
    #expect(code == nil || code == .diskFull)
    try run.check()
    _ = refusal { try run.append(FaultLoopTests.batches(41...45)) }
    run.disk.setCapacity(nil)
    try run.append(FaultLoopTests.batches(46...50))
    try run.seal()
    try run.check()
    #expect(try run.store.statistics().hotEventCount == 0)
    try run.restart(.powerLoss)
    try run.check()
    run.close()
  }

  @Test(arguments: [0, 10_000, 40_000])
  func `merging waits for space, and loses nothing`(room: Int) throws {
    try run.seal()
    run.close()
    run.options.mergeFactor = 2
    run.options.mergeLevelMax = 3
    run.disk.setCapacity(run.disk.bytesUsed + room)
    do {
      try run.open()
    } catch {
      // Not even the next hot file can be made.
      #expect((error as? StoreError)?.code == .diskFull)
      run.disk.setCapacity(nil)
      try run.open()
    }
    try run.merge()
    try run.check()
    run.disk.setCapacity(nil)
    try run.merge()
    try run.check()
    #expect(try run.store.statistics().segmentCount == 1)
    try run.restart(.powerLoss)
    try run.check()
    run.close()
  }
}
