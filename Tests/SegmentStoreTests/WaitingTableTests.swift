import EventModel
@testable import SegmentStore
import Testing
import TestSupport

@Suite("Children that wait for their causes")
struct WaitingTableTests {
  private static func key(_ number: UInt64) -> IdentifierKey { IdentifierKey(high: number, low: ~number) }

  /// - Parameter trace: 0 for none.
  private static func child(_ cause: UInt64, _ trace: UInt64, _ ordinal: Int64) -> WaitingTable.Child {
    WaitingTable.Child(
      cause: key(cause), ordinal: ordinal, created: Timestamp(nanoseconds: ordinal), label: 1, source: 1,
      failure: .none, hasNoTrace: trace == 0, traceOrID: key(trace == 0 ? UInt64(ordinal) : trace),
      isUnresolved: true)
  }

  private static func trace(_ number: UInt64) -> IdentifierKey { number == 0 ? .zero : key(number) }

  /// What the table should hold, as plain lists.
  private struct Model {
    var children: [Int64: (cause: UInt64, trace: UInt64)] = [:]

    func ordinals(_ cause: UInt64, _ trace: UInt64) -> [Int64] {
      children.filter { $0.value == (cause, trace) }.keys.sorted()
    }
  }

  private func insert(_ child: WaitingTable.Child, into table: inout WaitingTable) {
    let fits = table.insert(child)
    #expect(fits)
  }

  private func compare(_ table: WaitingTable, _ model: Model, causes: UInt64) {
    #expect(table.count == model.children.count)
    for cause in 1...causes {
      for trace in UInt64(0)...2 {
        let found = table.children(of: Self.key(cause), inTrace: Self.trace(trace)).map(\.ordinal)
        #expect(found == model.ordinals(cause, trace), "cause \(cause), trace \(trace)")
      }
    }
    var all: [Int64] = []
    table.forEach { all.append($0.ordinal) }
    #expect(all.sorted() == model.children.keys.sorted())
  }

  @Test("children are found, and go, as in a plain list", arguments: [UInt64(1), 2, 3])
  func asAList(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var table = WaitingTable(countMax: 10_000)
    var model = Model()
    let causes: UInt64 = 300
    for step in 0..<6_000 {
      let cause = UInt64.random(in: 1...causes, using: &random)
      let trace = UInt64.random(in: 0...2, using: &random)
      if Int.random(in: 0..<3, using: &random) > 0 {
        insert(Self.child(cause, trace, Int64(step + 1)), into: &table)
        model.children[Int64(step + 1)] = (cause, trace)
      } else {
        // All of a group or every other one, so that groups and causes come to an end and begin anew.
        let all = Bool.random(using: &random)
        table.remove(of: Self.key(cause), inTrace: Self.trace(trace)) { all || $0.ordinal % 2 == 0 }
        for ordinal in model.ordinals(cause, trace) where all || ordinal % 2 == 0 { model.children[ordinal] = nil }
      }
      if step % 1_500 == 1_499 { compare(table, model, causes: causes) }
    }
    for cause in 1...causes {
      let waits = model.children.values.contains { $0.cause == cause }
      let isAwaited = table.causeIsStored(Self.key(cause))
      #expect(isAwaited == waits)
    }
    #expect(table.unresolvedCount == 0)
    let isAwaited = table.causeIsStored(Self.key(causes + 1))
    #expect(!isAwaited)
  }

  @Test("what does not fit is counted and not held")
  func bound() {
    var table = WaitingTable(countMax: 2)
    insert(Self.child(1, 1, 1), into: &table)
    insert(Self.child(1, 1, 2), into: &table)
    let fits = table.insert(Self.child(2, 1, 3))
    #expect(!fits)
    #expect(table.count == 2)
    #expect(table.droppedCount == 1)
    table.remove(of: Self.key(1), inTrace: Self.key(1)) { $0.ordinal == 1 }
    insert(Self.child(2, 1, 3), into: &table)
    #expect(table.children(of: Self.key(2), inTrace: Self.key(1)).map(\.ordinal) == [3])
  }
}
