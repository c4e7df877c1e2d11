import EventModel

/// The shop's life: which records happen when. A function of seed, start, rate and setting alone.
struct ShopSimulation: Sendable {
  private var random: ShopRandom
  private let ordersPerMinute: Double
  private let setting: ShopSetting
  private let start: Timestamp
  private var nextOrder: Timestamp
  private var nextRegistration: Timestamp
  private var orders = 0
  private var customers = 20
  private var planned = 0
  /// Binary heap by time; bounded by the rate times the longest flow.
  private var heap: [ShopRecord] = []

  init(seed: UInt64, start: Timestamp, ordersPerMinute: Double, setting: ShopSetting = ShopSetting()) {
    self.setting = setting
    random = ShopRandom(seed: seed)
    self.ordersPerMinute = ordersPerMinute
    self.start = start
    nextOrder = start
    nextRegistration = start.advanced(byNanoseconds: 350_000_000)
  }

  /// What happens up to `time`, in order, at most `limit` records; call again while there is more.
  mutating func records(until time: Timestamp, limit: Int) -> [ShopRecord] {
    while min(nextOrder, nextRegistration) <= time {
      if nextOrder <= nextRegistration { placeOrder() } else { register() }
    }
    var due: [ShopRecord] = []
    while due.count < limit, let first = heap.first, first.due <= time { due.append(pop(first)) }
    return due
  }

  private mutating func placeOrder() {
    orders += 1
    // The projection falls behind for a minute, then it is restarted and catches up.
    let age = nextOrder.since(start) % 60_000_000_000
    let flow = OrderFlow.plan(
      ShopRandom(seed: random.next()), setting, number: 1000 + orders, at: nextOrder,
      customer: random.number(1...customers), projectionDelay: age / 10)
    push(flow)
    nextOrder = nextOrder.advanced(byNanoseconds: pause(ordersPerMinute))
  }

  private mutating func register() {
    customers += 1
    push(RegistrationFlow.plan(ShopRandom(seed: random.next()), setting, number: customers, at: nextRegistration))
    nextRegistration = nextRegistration.advanced(byNanoseconds: pause(ordersPerMinute / 4))
  }

  private mutating func pause(_ perMinute: Double) -> Int64 { Int64(60e9 / perMinute * (0.4 + 1.2 * random.unit())) }

  private mutating func push(_ records: [ShopRecord]) {
    for var record in records {
      planned += 1
      record.number = planned
      heap.append(record)
      var child = heap.count - 1
      while child > 0, heap[child] < heap[(child - 1) / 2] {
        heap.swapAt(child, (child - 1) / 2)
        child = (child - 1) / 2
      }
    }
  }

  private mutating func pop(_ first: ShopRecord) -> ShopRecord {
    let last = heap.removeLast()
    if heap.isEmpty { return first }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      if least == parent { return first }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
