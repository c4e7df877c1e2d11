import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Every operation of the disk fails once: the first, the second, … until the work is done without meeting the fault.
/// After each, what was acknowledged is there, whole and once, and the store goes on.
@Suite("Segment store: a fault at every operation") struct FaultLoopTests {
  /// What goes wrong with operation n.
  enum Trouble: String, CaseIterable, Sendable {
    case failsOnce, failsForEver, isFullForEver, writesShort, killed, powerLost

    func fault(at operation: Int) -> SimulatedDisk.Fault {
      switch self {
      case .failsOnce: SimulatedDisk.Fault(.fail(code: 5), at: operation, scope: .everything)
      case .failsForEver: SimulatedDisk.Fault(.fail(code: 5), at: operation, isLasting: true, scope: .everything)
      case .isFullForEver: SimulatedDisk.Fault(.fail(code: 28), at: operation, isLasting: true)
      case .writesShort: SimulatedDisk.Fault(.shortWrite, at: operation)
      case .killed, .powerLost: SimulatedDisk.Fault(.crash, at: operation)
      }
    }

    var restart: SimulatedDisk.Restart? {
      switch self {
      case .killed: .kill
      case .powerLost: .powerLoss
      default: nil
      }
    }
  }

  /// What is done while operation n fails.
  enum Work: String, CaseIterable, Sendable {
    case append, seal, merge, retention, opening, openingAfterCrash

    /// What stands there before.
    func prepare(_ run: FaultRun) throws {
      run.options.durability = .power
      run.options.mergeFactor = 0
      try run.open()
      try run.append(FaultLoopTests.batches(1...10))
      try run.seal()
      run.clock.advance(seconds: 100)
      try run.append(FaultLoopTests.batches(11...20))
      if self == .retention {
        try run.seal()
        run.clock.advance(seconds: 100)
        try run.append(FaultLoopTests.batches(21...24))
        run.options.retention.age = .seconds(50)
      }
      if self == .merge {
        try run.seal()
        run.options.mergeFactor = 2
      }
      if self == .openingAfterCrash { try? FaultLoopTests.sealHalf(run) }
    }

    func perform(_ run: FaultRun) throws {
      switch self {
      case .append:
        try run.append(FaultLoopTests.batches(15...30))
        try run.append(FaultLoopTests.batches(31...34))
      case .seal: try run.seal()
      case .merge:
        // A merge begins by itself once the store is open.
        try run.open()
        try run.merge()
      case .retention: try run.applyRetention()
      case .opening, .openingAfterCrash: try run.open()
      }
    }

    var opensItself: Bool { self == .opening || self == .openingAfterCrash || self == .merge }
  }

  /// Leaves a segment that is renamed and not published, and a WAL.
  static func sealHalf(_ run: FaultRun) throws {
    run.close()
    run.options.failurePoint = { (step) throws(StoreError) in
      if step == "segment-renamed" { throw StoreError(.inputOutput, "crash", hint: "") }
    }
    try run.open()
    defer { run.options.failurePoint = nil }
    try run.append(batches(15...22))
    try run.seal()
  }

  static func batches(_ numbers: ClosedRange<Int>) -> [SourceBatch] {
    let events = numbers.map { number in
      TestEvent(
        "e\(number)", trace: number % 5 == 0 ? nil : "t\(number % 3)", cause: number > 3 ? "e\(number - 3)" : nil,
        stream: "s-\(number % 4)", type: "T\(number % 3)", at: Int64(number), service: "shop", handler: "h",
        failure: number % 7 == 0 ? .metadata : .none, data: "{\"n\":\(number)}")
    }
    let place = SourcePosition(major: UInt64(numbers.upperBound))
    return [
      SourceBatch(events, source: "first", checkpoint: SourceCheckpoint(source: "first", position: place)),
      SourceBatch([TestEvent("x\(numbers.lowerBound)", trace: "t1", cause: "e2", at: 50)], source: "second"),
    ]
  }

  @Test(arguments: Work.allCases, Trouble.allCases)
  func `what is acknowledged stays, and the store goes on`(work: Work, trouble: Trouble) throws {
    let base = FaultRun(SimulatedDisk())
    try work.prepare(base)
    base.crash(.kill)
    var operation = 1
    while try meets(work, trouble, operation, base) { operation += 1 }
    #expect(operation > 3, "the loop met no fault")
  }

  /// - Returns: whether the fault was met.
  private func meets(_ work: Work, _ trouble: Trouble, _ operation: Int, _ base: FaultRun) throws -> Bool {
    let about = "\(work) \(trouble) at operation \(operation)"
    let run = try base.copy(seed: UInt64(operation))
    if !work.opensItself { try run.open() }
    run.disk.arm(trouble.fault(at: operation))
    var refusal: (any Error)?
    do { try work.perform(run) } catch { refusal = error }
    let isMet = run.disk.faultCount > 0
    do {
      try #require(refusal == nil || refusal is StoreError && isMet, "\(about): \(String(describing: refusal))")
      if let restart = trouble.restart, isMet {
        try run.restart(restart)
      } else {
        run.disk.arm(nil)
        if run.life == nil { try run.open() }
        if run.isDegraded { try run.restart(.kill) }
      }
      try goOn(run)
    } catch {
      Issue.record("\(about): \(error), after \(String(describing: refusal))")
    }
    run.close()
    return isMet
  }

  private func goOn(_ run: FaultRun) throws {
    try run.read()
    try run.append(Self.batches(25...36))
    try run.seal()
    try run.append(Self.batches(37...40))
    try run.restart(.powerLoss)
    try run.check()
  }
}
