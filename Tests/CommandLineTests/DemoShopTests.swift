import EventModel
import Testing
import WireFormats

@testable import DemoShop

@Suite("Demo shop") struct DemoShopTests {
  static let start = Timestamp(nanoseconds: 1_767_225_600_000_000_000)

  func records(seed: UInt64, seconds: Int64, limit: Int = 100_000) -> [ShopRecord] {
    var shop = ShopSimulation(seed: seed, start: Self.start, ordersPerMinute: 120)
    return shop.records(until: Self.start.advanced(byNanoseconds: seconds * 1_000_000_000), limit: limit)
  }

  @Test func `the same seed gives the same shop, another one another`() {
    let one = records(seed: 7, seconds: 60)
    #expect(one.map(\.line) == records(seed: 7, seconds: 60).map(\.line))
    #expect(one.map(\.line) != records(seed: 8, seconds: 60).map(\.line))
  }

  @Test func `how often one looks does not change what happens`() {
    let whole = records(seed: 3, seconds: 30)
    var shop = ShopSimulation(seed: 3, start: Self.start, ordersPerMinute: 120)
    var pieces: [ShopRecord] = []
    for step in 1...300 {
      let now = Self.start.advanced(byNanoseconds: Int64(step) * 100_000_000)
      var more: [ShopRecord]
      repeat {
        more = shop.records(until: now, limit: 7)
        pieces += more
      } while more.count == 7
    }
    #expect(
      pieces.map(\.line).sorted { $0.lexicographicallyPrecedes($1) }
        == whole.map(\.line).sorted { $0.lexicographicallyPrecedes($1) })
  }

  @Test func `every event has what a view needs, and every cause but a command is an event before it`() throws {
    var created: [String: Int64] = [:]
    var commands = 0
    var types: Set<String> = []
    var failures = 0
    for record in records(seed: 1, seconds: 240) where record.kind == .event {
      let event = try JSONValue.parse(record.line)
      let id = try #require(event["id"]?.string)
      let at = try #require(event["created"]?.string.flatMap { RFC3339.parse($0) })
      #expect(created.updateValue(at, forKey: id) == nil, "ids are unique")
      let metadata = try #require(event["metadata"])
      #expect(metadata["$correlationId"]?.string != nil && metadata["handler"]?.string != nil)
      types.insert(try #require(event["type"]?.string))
      if metadata["status"]?.string == "failed" { failures += 1 }
      guard let cause = metadata["$causationId"]?.string else { continue }
      if let before = created[cause] { #expect(before <= at) } else { commands += 1 }
    }
    #expect(created.count > 3000 && commands > 100 && commands % 2 == 0 && failures > 50)
    for type in [
      "CustomerRegistered", "OrderPlaced", "PaymentFailed", "PaymentRetried", "OrderCancelled", "OrderCompleted",
    ] {
      #expect(types.contains(type))
    }
  }

  @Test func `handlers report what they did, the slow projection among them`() throws {
    var states: [String: Set<String>] = [:]
    for record in records(seed: 1, seconds: 120) where record.kind == .report {
      let report = try JSONValue.parse(record.line)
      let state = try #require(report["state"]?.string)
      #expect(HandlerReport.State(rawValue: state) != nil && report["causeId"]?.string != nil)
      states[report["handler"]?.string ?? "", default: []].insert(state)
    }
    #expect(states["payment"] == ["started", "succeeded", "failed", "retrying"])
    #expect(states["order-list-projection"] == ["started", "succeeded"])
  }

  @Test func `records come in the order of their time`() {
    let due = records(seed: 5, seconds: 120).map(\.due)
    #expect(zip(due, due.dropFirst()).allSatisfy { $0 <= $1 })
  }
}
