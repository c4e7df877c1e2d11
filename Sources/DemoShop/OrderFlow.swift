import EventModel
import WireFormats

/// An order from its placing to its delivery, or to where it fails.
struct OrderFlow {
  private var plan: FlowPlan
  private let number: Int
  /// How far the slow projection is behind when this order is placed.
  private let projectionDelay: Int64

  private init(_ random: ShopRandom, _ setting: ShopSetting, number: Int, projectionDelay: Int64) {
    plan = FlowPlan(random: random, setting: setting)
    self.number = number
    self.projectionDelay = projectionDelay
  }

  static func plan(
    _ random: ShopRandom, _ setting: ShopSetting, number: Int, at start: Timestamp, customer: Int,
    projectionDelay: Int64
  ) -> [ShopRecord] {
    var flow = OrderFlow(random, setting, number: number, projectionDelay: projectionDelay)
    flow.place(at: start, customer: customer)
    return flow.plan.finished()
  }

  private var order: String { "order-\(number)" }

  private mutating func after(_ event: FlowPlan.Event, _ typical: Double) -> Timestamp {
    event.at.advanced(byNanoseconds: plan.random.milliseconds(typical))
  }

  private mutating func place(at start: Timestamp, customer: Int) {
    let lines = plan.random.number(1...4)
    let total = plan.random.number(900...24_900)
    // Some orders begin with a command, which is not in the event store: its two events share a cause that nobody
    // stored.
    let command = plan.random.oneIn(4) ? plan.random.identifier() : nil
    let placed = plan.event(
      "OrderPlaced", order, by: .checkout, at: start, cause: command, schema: plan.random.oneIn(4) ? "1" : "2",
      data: [
        ("orderNumber", .number("\(number)")), ("customer", .string("customer-\(customer)")),
        ("totalCents", .number("\(total)")), ("lines", .number("\(lines)")),
      ])
    project(placed)
    if command != nil {
      _ = plan.event(
        "CartCheckedOut", "cart-\(number)", by: .checkout, at: start.advanced(byNanoseconds: 2_000_000), cause: command,
        data: [("lines", .number("\(lines)"))])
    }
    var reserved: [FlowPlan.Event] = []
    for line in 0..<lines {
      let sku = plan.random.number(1...40)
      let at = after(placed, 60)
      if plan.random.oneIn(40) {
        let missing = plan.event(
          "StockReservationFailed", "stock-\(sku)", by: .inventory, at: at, cause: placed.id, error: "out of stock",
          data: [("sku", .number("\(sku)"))])
        return cancel(missing, "out of stock")
      }
      reserved.append(
        plan.event(
          "StockReserved", "stock-\(sku)", by: .inventory, at: at, cause: placed.id,
          data: [("sku", .number("\(sku)")), ("quantity", .number("\(plan.random.number(1...3))"))]))
      if line == 0 { plan.handled(by: .inventory, placed, end: at) }
    }
    let requested = plan.event(
      "PaymentRequested", "payment-\(number)", by: .orderProcess, at: after(placed, 25), cause: placed.id,
      data: [("totalCents", .number("\(total)"))])
    pay(requested, attempt: 1)
  }

  private mutating func pay(_ requested: FlowPlan.Event, attempt: Int) {
    let at = after(requested, plan.random.oneIn(12) ? 1_800 : 240)
    let startAt = requested.at.advanced(byNanoseconds: at.since(requested.at) / 4)
    plan.report(.started, by: .billing, on: requested.id, at: startAt, attempt: attempt)
    if plan.random.oneIn(7) {
      let error = plan.random.oneIn(3) ? ("CardDeclined", "the card was declined") : ("Timeout", "the bank is silent")
      plan.report(.failed, by: .billing, on: requested.id, at: at, attempt: attempt, error: error)
      let failed = plan.event(
        "PaymentFailed", "payment-\(number)", by: .billing, at: at, cause: requested.id, error: error.1,
        data: [("attempt", .number("\(attempt)"))])
      if attempt == 3 || error.0 == "CardDeclined" { return cancel(failed, error.1) }
      plan.report(.retrying, by: .billing, on: requested.id, at: at, attempt: attempt + 1, error: error)
      let retry = plan.event(
        "PaymentRetried", "payment-\(number)", by: .orderProcess, at: after(failed, 700), cause: failed.id,
        data: [("attempt", .number("\(attempt + 1)"))])
      return pay(retry, attempt: attempt + 1)
    }
    let authorized = plan.event(
      "PaymentAuthorized", "payment-\(number)", by: .billing, at: at, cause: requested.id,
      data: [("authorization", .string("A\(plan.random.number(100_000...999_999))"))])
    plan.report(.succeeded, by: .billing, on: requested.id, at: at, attempt: attempt)
    ship(authorized)
  }

  private mutating func ship(_ authorized: FlowPlan.Event) {
    let confirmed = plan.event(
      "OrderConfirmed", order, by: .orderProcess, at: after(authorized, 30), cause: authorized.id)
    project(confirmed)
    mail("ConfirmationMailSent", confirmed)
    let prepared = plan.event(
      "ShipmentPrepared", "shipment-\(number)", by: .picking, at: after(confirmed, 2_400), cause: confirmed.id,
      data: [("parcels", .number("1"))])
    plan.handled(by: .picking, confirmed, end: prepared.at)
    let handedOver = plan.event(
      "ParcelHandedOver", "shipment-\(number)", by: .carrier, at: after(prepared, 1_100), cause: prepared.id)
    let delivered = plan.event(
      "ParcelDelivered", "shipment-\(number)", by: .carrier, at: after(handedOver, 2_600), cause: handedOver.id)
    let completed = plan.event(
      "OrderCompleted", order, by: .orderProcess, at: after(delivered, 20), cause: delivered.id)
    project(completed)
  }

  private mutating func cancel(_ reason: FlowPlan.Event, _ text: String) {
    let cancelled = plan.event(
      "OrderCancelled", order, by: .orderProcess, at: after(reason, 35), cause: reason.id,
      data: [("reason", .string(text))])
    project(cancelled)
    mail("CancellationMailSent", cancelled)
  }

  private mutating func mail(_ type: String, _ cause: FlowPlan.Event) {
    if plan.setting.mailsAreReactions { return }
    let sent = plan.event(
      type, "mail-\(number)", by: .mailer, at: after(cause, 320), cause: cause.id,
      data: [("template", .string(type))])
    plan.handled(by: .mailer, cause, end: sent.at, waitShare: 0.6)
  }

  /// The order list: a projection that writes no events, reports itself, and is too slow.
  private mutating func project(_ event: FlowPlan.Event) {
    let start = event.at.advanced(byNanoseconds: projectionDelay + plan.random.milliseconds(150))
    plan.report(.started, by: .orderList, on: event.id, at: start)
    plan.report(
      .succeeded, by: .orderList, on: event.id, at: start.advanced(byNanoseconds: plan.random.milliseconds(400)))
  }
}

/// A new customer, greeted by mail; the mail server has its days.
enum RegistrationFlow {
  static func plan(
    _ random: ShopRandom, _ setting: ShopSetting, number: Int, at start: Timestamp
  ) -> [ShopRecord] {
    var plan = FlowPlan(random: random, setting: setting)
    let customer = "customer-\(number)"
    let registered = plan.event(
      "CustomerRegistered", customer, by: .registration, at: start, cause: nil, schema: "1",
      data: [("name", .string("Customer \(number)")), ("newsletter", .bool(plan.random.oneIn(3)))])
    var cause = registered
    if plan.random.oneIn(9) {
      let at = cause.at.advanced(byNanoseconds: plan.random.milliseconds(900))
      plan.report(.started, by: .mailer, on: cause.id, at: cause.at.advanced(byNanoseconds: 4_000_000))
      let error = ("SMTPError", "421 try again later")
      plan.report(.failed, by: .mailer, on: cause.id, at: at, error: error)
      cause = plan.event("WelcomeMailFailed", customer, by: .mailer, at: at, cause: registered.id, error: error.1)
    }
    let sent = plan.event(
      "WelcomeMailSent", customer, by: .mailer,
      at: cause.at.advanced(byNanoseconds: plan.random.milliseconds(420)), cause: cause.id)
    plan.handled(by: .mailer, cause, end: sent.at)
    _ = plan.event(
      "CustomerVerified", customer, by: .registration,
      at: sent.at.advanced(byNanoseconds: plan.random.milliseconds(2_500)), cause: sent.id)
    return plan.records
  }
}
