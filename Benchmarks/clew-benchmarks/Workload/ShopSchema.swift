/// What kinds of events the shop of the workload knows. The same for every seed: a seed changes what happens, not the
/// software.
struct ShopSchema {
  enum Lifetime {
    /// A new aggregate in most traces.
    case trace
    /// One aggregate for each user.
    case user
    /// A fixed number of aggregates, some far busier than others.
    case catalogue(Int)
  }

  struct Category {
    var name: [UInt8]
    var title: String
    var lifetime: Lifetime
  }

  struct Field {
    var kind: FieldKind
    /// The key with quotes and colon.
    var key: [UInt8]
    var isOptional: Bool
    /// Which of the four names the key has; some kinds look different by it.
    var form: Int
    /// What is different between fields of one kind: the range of a number, the words of a list, another category.
    var variant: Int
  }

  struct EventType {
    var category: Int
    var name: [UInt8]
    var handlers: [[UInt8]]
    var fields: [Field]
    /// What may follow, the likeliest first.
    var successors: [Int]
  }

  static let typesPerCategory = 11
  static let userCount = 300_000
  static let successorShares = [0.45, 0.7, 0.85, 0.95, 1.0]

  var categories: [Category] = []
  var types: [EventType] = []
  var words: [[UInt8]] = []

  init() {
    categories = Self.aggregates.map { title, lifetime in
      Category(name: Array(title.lowercased().utf8), title: title, lifetime: lifetime)
    }
    var random = Random(seed: 4711)
    words = (0..<4_000).map { rank in
      let syllables = 1 + (rank > 60 ? 1 : 0) + random.below(3)
      return Array((0..<syllables).map { _ in Self.syllables[random.below(Self.syllables.count)] }.joined().utf8)
    }
    for category in categories.indices {
      for number in 0..<Self.typesPerCategory { types.append(makeType(category, number, &random)) }
    }
  }

  private func makeType(_ category: Int, _ number: Int, _ random: inout Random) -> EventType {
    let verb = (number + category * 3) % Self.verbs.count
    let other = categories[(category + 5) % categories.count].title
    let title = categories[category].title
    var type = EventType(
      category: category, name: Array("\(title)\(Self.verbs[verb].past)".utf8),
      handlers: [
        Array("\(Self.verbs[verb].order)\(title)Handler".utf8),
        Array("\(other)Saga.On\(Self.verbs[(verb + 3) % Self.verbs.count].past)".utf8),
      ],
      fields: [], successors: [])
    let own = String(decoding: categories[category].name, as: UTF8.self)
    type.fields.append(
      Field(kind: .aggregate, key: Array("\"\(own)Id\":".utf8), isOptional: false, form: 0, variant: 0))
    addFields(to: &type, count: 5 + random.below(10), &random)
    type.successors = (0..<5).map { _ in random.below(categories.count * Self.typesPerCategory) }
    return type
  }

  private func addFields(to type: inout EventType, count: Int, _ random: inout Random) {
    let weightOfAll = FieldKind.drawn.reduce(0) { $0 + $1.weight }
    var used: Set<String> = []
    while type.fields.count < count {
      var place = random.below(weightOfAll)
      let kind = FieldKind.drawn.first { kind in
        place -= kind.weight
        return place < 0
      }
      guard let kind else { continue }
      var form = random.below(4)
      var variant = random.below(256)
      var key = kind.keys.isEmpty ? "" : kind.keys[form]
      if kind == .reference || kind == .link {
        variant = random.below(categories.count)
        form = variant & 3
        if kind == .reference && variant == type.category { continue }
        if kind == .reference { key = "\(String(decoding: categories[variant].name, as: UTF8.self))Id" }
      }
      let name = kind.isOnce ? "\(kind)" : "\(kind) \(form)"
      if used.contains(name) { continue }
      used.insert(name)
      type.fields.append(
        Field(
          kind: kind, key: Array("\"\(key.isEmpty ? kind.keys[form] : key)\":".utf8), isOptional: random.below(4) == 0,
          form: form, variant: variant))
    }
  }

  private static let aggregates: [(String, Lifetime)] = [
    ("User", .user), ("Order", .trace), ("Payment", .trace), ("Cart", .user), ("Shipment", .trace),
    ("Invoice", .trace), ("Product", .catalogue(20_000)), ("Inventory", .catalogue(20_000)), ("Refund", .trace),
    ("Subscription", .user), ("Notification", .trace), ("Session", .user), ("Coupon", .catalogue(3_000)),
    ("Review", .trace), ("Ticket", .trace), ("Warehouse", .catalogue(60)), ("Carrier", .catalogue(200)),
    ("Account", .user), ("Ledger", .user), ("Loyalty", .user), ("FraudCheck", .trace), ("Address", .user),
    ("Wishlist", .user), ("Export", .trace),
  ]

  private static let verbs: [(past: String, order: String)] = [
    ("Created", "Create"), ("Updated", "Update"), ("Confirmed", "Confirm"), ("Cancelled", "Cancel"),
    ("Reserved", "Reserve"), ("Released", "Release"), ("Completed", "Complete"), ("Failed", "Fail"),
    ("Requested", "Request"), ("Approved", "Approve"), ("Expired", "Expire"), ("Scheduled", "Schedule"),
    ("ItemAdded", "AddItem"), ("AddressCorrected", "CorrectAddress"), ("PriceAdjusted", "AdjustPrice"),
    ("StateChanged", "ChangeState"),
  ]

  static let services: [[UInt8]] = [
    "identity", "orders", "payments", "baskets", "dispatch", "billing", "catalogue", "stock", "helpdesk", "renewals",
    "messaging", "risk",
  ].map { Array($0.utf8) }

  private static let syllables = [
    "ba", "cor", "del", "en", "fi", "gra", "hol", "il", "jo", "ken", "lu", "mer", "na", "or", "pil", "quo", "res", "so",
    "tan", "ur", "vi", "wes", "xi", "yor", "ze", "bri", "cla", "dom", "est", "fro",
  ]
}

/// What a field of an event's data holds.
enum FieldKind: CaseIterable {
  case aggregate, user, mail, person, price, currency, time, text, number, word, flag, postal, phone, lines, uuid, hash
  case network, browser, place, article, reference, link

  /// All but the aggregate's own id, which every event has.
  static let drawn = allCases.filter { $0 != .aggregate }

  /// How often it occurs, relative to the others.
  var weight: Int {
    switch self {
    case .aggregate: 0
    case .word: 16
    case .time: 14
    case .price, .number: 12
    case .reference: 10
    case .user, .text: 9
    case .flag: 8
    case .currency: 7
    case .mail, .person, .article: 6
    case .uuid: 4
    case .postal, .lines, .network, .place, .link: 3
    case .phone, .hash, .browser: 2
    }
  }

  /// At most one field of this kind in one type.
  var isOnce: Bool {
    switch self {
    case .mail, .person, .currency, .postal, .lines, .uuid, .hash, .place, .article, .reference, .link: true
    default: false
    }
  }

  var keys: [String] {
    switch self {
    case .aggregate, .reference: []
    case .user: ["userId", "customerId", "actorId", "ownerId"]
    case .mail: ["email", "contactMail", "sentTo", "billingMail"]
    case .person: ["name", "customerName", "fullName", "shownName"]
    case .price: ["amount", "total", "price", "balance"]
    case .currency: ["currency", "currencyCode", "unit", "cur"]
    case .time: ["occurredAt", "dueDate", "updatedAt", "requestedAt"]
    case .text: ["note", "description", "reason", "message"]
    case .number: ["quantity", "version", "attempt", "count"]
    case .word: ["status", "channel", "priority", "category"]
    case .flag: ["isActive", "verified", "express", "isGift"]
    case .postal: ["shippingAddress", "address", "billingAddress", "location"]
    case .phone: ["phone", "mobile", "phoneNumber", "contactPhone"]
    case .lines: ["items", "lines", "products", "entries"]
    case .uuid: ["transactionId", "requestId", "referenceId", "batchId"]
    case .hash: ["hash", "token", "etag", "signature"]
    case .network: ["ip", "clientIp", "remoteAddress", "sourceIp"]
    case .browser: ["userAgent", "client", "agent", "browser"]
    case .place: ["geo", "position", "coordinates", "latLon"]
    case .article: ["sku", "productCode", "itemSku", "article"]
    case .link: ["link", "callbackUrl", "resource", "url"]
    }
  }
}
