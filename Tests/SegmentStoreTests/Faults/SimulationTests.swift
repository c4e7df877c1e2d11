import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Lives of a store made from a seed: what is stored, sealed, merged, deleted and asked, what fails, when the process is
/// killed and when power is lost. After each life everything is compared with the store in memory.
///
/// `make simulate SEEDS=20000` runs more, `make simulate SEEDS=1 FIRST=123` repeats one.
@Suite("Segment store: simulation") struct SimulationTests {
  private static let countAsked = CurrentProcess.environment("CLEW_SEEDS").flatMap { Int($0) } ?? 300
  private static let first = CurrentProcess.environment("CLEW_FIRST_SEED").flatMap { Int($0) } ?? 1
  private static let lanes = 2

  @Test(arguments: 0..<lanes)
  func `whatever happens to the disk, what was acknowledged is what is answered`(lane: Int) {
    var figures = Simulation.Figures()
    for seed in stride(from: Self.first + lane, to: Self.first + Self.countAsked, by: Self.lanes) {
      var simulation = Simulation(seed: UInt64(seed))
      do {
        try simulation.run()
      } catch {
        let trail = simulation.trail.joined(separator: ", ")
        Issue.record(
          "seed \(seed): \("\(error)".prefix(600)); after: \(trail). Repeat: make simulate SEEDS=1 FIRST=\(seed)")
      }
      simulation.end()
      figures.add(simulation.figures)
    }
    print("simulation, lane \(lane): \(figures)")
  }
}

/// One seed.
struct Simulation {
  struct Figures: CustomStringConvertible {
    var seeds = 0
    var transactions = 0
    var faults = 0
    var kills = 0
    var powerLosses = 0

    mutating func add(_ other: Figures) {
      seeds += 1
      transactions += other.transactions
      faults += other.faults
      kills += other.kills
      powerLosses += other.powerLosses
    }

    var description: String {
      "\(seeds) seeds, \(transactions) transactions, \(faults) operations made to fail, \(kills) kills,"
        + " \(powerLosses) losses of power"
    }
  }

  private(set) var figures = Figures()
  private(set) var trail: [String] = []
  private var random: SeededRandom
  private let subject: FaultRun
  private let mayLosePower: Bool
  private let mayDrop: Bool
  private var events: SimulatedEvents
  private var armedFor = 0

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    events = SimulatedEvents(seed: seed)
    let durability = [StoreOptions.Durability.auto, .auto, .power, .process][random.below(4)]
    // With `process` nothing is promised but what a kill leaves.
    mayLosePower = durability != .process
    let mayDrop = random.oneIn(5)
    self.mayDrop = mayDrop
    let random = random
    subject = FaultRun(
      SimulatedDisk(seed: seed),
      options: FaultRun.options { options in
        var random = random
        options.durability = durability
        options.mergeFactor = random.below(4)
        options.mergeLevelMax = 2
        if mayDrop { options.retention.age = .seconds(300) }
      })
  }

  mutating func run() throws {
    try subject.open()
    for _ in 0..<(10 + random.below(20)) { try step() }
    note("end")
    disarm()
    try restart(.kill)
    try subject.check()
    try subject.seal()
    try restart(mayLosePower ? .powerLoss : .kill)
    try subject.check()
  }

  func end() {
    subject.disk.arm(nil)
    subject.close()
  }

  private mutating func note(_ text: String) { trail.append(text) }

  private mutating func disarm() {
    figures.faults += subject.disk.faultCount
    subject.disk.arm(nil)
    armedFor = 0
  }

  private mutating func step() throws {
    if armedFor > 0 {
      armedFor -= 1
      if armedFor == 0 { disarm() }
    } else if random.oneIn(4) {
      arm()
    }
    do {
      try act()
    } catch {
      guard error is StoreError, subject.disk.faultCount > 0 else { throw error }
      note("refused")
    }
    if subject.disk.hasCrashed {
      try restart(mayLosePower && random.oneIn(2) ? .powerLoss : .kill)
      if random.oneIn(2) { try subject.check() }
    } else if subject.life == nil || subject.isDegraded {
      guard subject.disk.faultCount > 0 else { throw Unexplained(text: "a segment is set aside without a fault") }
      try restart(.kill)
    }
  }

  private mutating func arm() {
    let operation = 1 + random.below(random.oneIn(3) ? 200 : 20)
    let isLasting = random.oneIn(2)
    armedFor = 1 + random.below(3)
    let kinds: [(SimulatedDisk.Fault.Kind, SimulatedDisk.Fault.Scope)] = [
      (.fail(code: 5), .everything), (.fail(code: 5), .changes), (.fail(code: 28), .changes), (.shortWrite, .changes),
      (.crash, .changes), (.crash, .changes), (.crash, .changes),
    ]
    let (kind, scope) = kinds[random.below(kinds.count)]
    note("\(kind) at \(operation)\(isLasting ? " for ever" : "")")
    subject.disk.arm(SimulatedDisk.Fault(kind, at: operation, isLasting: isLasting, scope: scope))
  }

  private mutating func act() throws {
    switch random.below(20) {
    case 0..<10: try append()
    case 10, 11:
      note("seal")
      try subject.seal()
    case 12:
      note("merge")
      try subject.merge()
    case 13:
      note("sync")
      try subject.sync()
    case 14:
      note("read")
      try subject.read()
    case 15, 16:
      disarm()
      try restart(mayLosePower && random.oneIn(2) ? .powerLoss : .kill)
    case 17:
      guard mayDrop else { return try append() }
      note("retention")
      subject.clock.advance(seconds: 100)
      try subject.applyRetention()
    default:
      guard subject.disk.faultCount == 0 else { return }
      disarm()
      note("check")
      try subject.check()
    }
  }

  private mutating func append() throws {
    note("append")
    figures.transactions += 1
    let batches = events.batches()
    try subject.append(batches)
  }

  /// The next process may meet faults, too, while it opens the store.
  private mutating func restart(_ restart: SimulatedDisk.Restart) throws {
    note("\(restart)")
    if restart == .kill { figures.kills += 1 } else { figures.powerLosses += 1 }
    disarm()
    subject.crash(restart)
    if random.oneIn(4) {
      arm()
      do { try subject.open() } catch {
        guard error is StoreError, subject.disk.faultCount > 0 else { throw error }
        note("not opened")
      }
      let isSound = subject.life != nil && subject.disk.faultCount == 0
      disarm()
      if !isSound {
        let second: SimulatedDisk.Restart = mayLosePower && random.oneIn(2) ? .powerLoss : .kill
        subject.crash(second)
        try subject.open()
        return try subject.settle(restart == .powerLoss || second == .powerLoss ? .powerLoss : .kill)
      }
    } else {
      try subject.open()
    }
    try subject.settle(restart)
  }
}
