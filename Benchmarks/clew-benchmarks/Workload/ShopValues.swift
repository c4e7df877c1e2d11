import Glibc

/// Writes the data of events.
struct ShopValues {
  private let schema: ShopSchema
  private let wordRanks = Zipf(4_000, exponent: 1)

  init(_ schema: ShopSchema) { self.schema = schema }

  func put(
    _ type: ShopSchema.EventType, at time: Int, _ trace: inout ShopTrace, _ streams: inout ShopStreams,
    _ random: inout Random, into text: inout TextBuffer
  ) {
    text.put(byte: 0x7b)
    var isFirst = true
    for field in type.fields where !(field.isOptional && random.chance(0.25)) {
      if !isFirst { text.put(byte: 0x2c) }
      isFirst = false
      text.put(field.key)
      switch field.kind {
      case .aggregate: put(quoted: streams.stream(of: &trace, type.category, &random).id, &text)
      case .reference: put(quoted: streams.stream(of: &trace, field.variant, &random).id, &text)
      case .uuid: put(quoted: random.uuid(), &text)
      case .link:
        text.put("\"https://shop.example/api/")
        text.put(schema.categories[field.variant].name)
        text.put(byte: 0x2f)
        text.put(streams.stream(of: &trace, field.variant, &random).id)
        text.put(byte: 0x22)
      case .user, .mail, .person, .postal, .phone, .network, .browser: putPersonal(field, trace.user, &text)
      case .price, .currency, .lines, .article: putSold(field, trace, &random, &text)
      default: putFree(field, type, time, &random, &text)
      }
    }
    text.put(byte: 0x7d)
  }

  private func put(quoted id: RandomUUID, _ text: inout TextBuffer) {
    text.put(byte: 0x22)
    text.put(id)
    text.put(byte: 0x22)
  }

  /// A number that belongs to a user and a purpose.
  private func trait(_ user: Int, _ purpose: Int) -> UInt64 { Random.scramble(UInt64(user &* 64 &+ purpose)) }

  private func capitalised(_ word: [UInt8], _ text: inout TextBuffer) {
    text.put(byte: word[0] - 32)
    text.put(Array(word.dropFirst()))
  }

  private func putPersonal(_ field: ShopSchema.Field, _ user: Int, _ text: inout TextBuffer) {
    let name = trait(user, 1)
    let given = schema.words[100 + Int(name & 63)]
    let family = schema.words[200 + Int(name >> 6 & 63)]
    text.put(byte: field.kind == .postal ? 0x7b : 0x22)
    switch field.kind {
    case .user: text.put(ShopStreams.identity(0, user))
    case .mail:
      text.put(given)
      text.put(byte: 0x2e)
      text.put(family)
      text.put(Int(name >> 12 % 1_000))
      text.put("@")
      text.put(schema.words[300 + Int(name >> 40 % 12)])
      text.put(".example")
    case .person:
      capitalised(given, &text)
      text.put(byte: 0x20)
      capitalised(family, &text)
    case .phone:
      text.put("+")
      text.put(Int(trait(user, 2) % 80) + 10)
      text.put(byte: 0x20)
      text.put(Int(trait(user, 3) % 900) + 100)
      text.put(byte: 0x20)
      text.put(Int(trait(user, 4) % 10_000_000), digits: 7)
    case .network:
      for (place, shift) in [0, 8, 16, 24].enumerated() {
        if place > 0 { text.put(byte: 0x2e) }
        text.put(Int(trait(user, 5) >> UInt64(shift) & 255))
      }
    case .browser:
      let kind = Int(trait(user, 6) % 60)
      text.put("Mozilla/5.0 (")
      text.put(kind % 3 == 0 ? "Windows NT 10.0; Win64; x64" : kind % 3 == 1 ? "Macintosh; Intel" : "X11; Linux x86_64")
      text.put(") AppleWebKit/")
      text.put(500 + kind)
      text.put(" Chrome/")
      text.put(100 + kind % 25)
      text.put(".0")
    default: putAddress(trait(user, 7 + (field.form == 2 ? 1 : 0)), &text)
    }
    text.put(byte: field.kind == .postal ? 0x7d : 0x22)
  }

  private func putAddress(_ number: UInt64, _ text: inout TextBuffer) {
    text.put("\"street\":\"")
    text.put(Int(number % 300) + 1)
    text.put(byte: 0x20)
    capitalised(schema.words[400 + Int(number >> 10 % 2_000)], &text)
    text.put(number >> 30 & 1 == 1 ? " Street" : " Road")
    text.put("\",\"city\":\"")
    let city = Int(number >> 32 % 40)
    capitalised(schema.words[340 + city], &text)
    text.put("\",\"zip\":\"")
    text.put(Int(number >> 40 % 90_000), digits: 5)
    text.put("\",\"country\":\"")
    text.put(byte: 0x41 + UInt8(city % 26))
    text.put(byte: 0x41 + UInt8(city * 7 % 26))
    text.put(byte: 0x22)
  }

  private static let currencies: [StaticString] = ["\"EUR\"", "\"USD\"", "\"GBP\"", "\"SEK\"", "\"CHF\""]

  private func putSold(
    _ field: ShopSchema.Field, _ trace: ShopTrace, _ random: inout Random, _ text: inout TextBuffer
  ) {
    switch field.kind {
    case .price:
      let isOwn = random.chance(0.5)
      text.put(isOwn ? Int(random.logNormal(3.5, 1.2) * 100) + 1 : trace.cents, decimals: 2)
    case .currency: text.put(Self.currencies[trace.currency])
    case .article: putArticle(trace.articles[0], &text)
    default:
      text.put(byte: 0x5b)
      for (place, article) in trace.articles.enumerated() {
        if place > 0 { text.put(byte: 0x2c) }
        let number = Random.scramble(UInt64(article * 3 + 1))
        text.put("{\"sku\":")
        putArticle(article, &text)
        text.put(",\"qty\":")
        text.put(Int(Random.scramble(UInt64(article * 7 + trace.cents)) % 5) + 1)
        text.put(",\"price\":")
        text.put(Int(number >> 20 % 20_000), decimals: 2)
        text.put(byte: 0x7d)
      }
      text.put(byte: 0x5d)
    }
  }

  private func putArticle(_ article: Int, _ text: inout TextBuffer) {
    text.put("\"SKU-")
    text.put(Int(Random.scramble(UInt64(article * 3 + 1)) % 900_000) + 100_000)
    text.put(byte: 0x22)
  }

  private func putFree(
    _ field: ShopSchema.Field, _ type: ShopSchema.EventType, _ time: Int, _ random: inout Random,
    _ text: inout TextBuffer
  ) {
    switch field.kind {
    case .time:
      text.put(byte: 0x22)
      let day = 864_000_000_000
      if field.form == 1 {
        text.put(time: (time + (random.below(60) + 1) * day) / day * day, decimals: 0)
      } else {
        text.put(time: time - Int(random.logNormal(2, 1.5) * 10_000), decimals: 3)
      }
      text.put(byte: 0x22)
    case .text:
      for number in 0..<(3 + random.below(field.variant % 3 == 0 ? 18 : 8)) {
        text.put(byte: number == 0 ? 0x22 : 0x20)
        text.put(schema.words[wordRanks.draw(&random)])
      }
      text.put(byte: 0x22)
    case .number:
      switch field.variant % 3 {
      case 0: text.put(random.below(1_000))
      case 1: text.put(random.below(8) + 1)
      default: text.put(random.below(100_000))
      }
    case .word:
      let choice = random.chance(0.6) ? 0 : random.below(2 + field.variant % 6)
      text.put(byte: 0x22)
      text.put(schema.words[1_000 + (field.variant * 37 + choice * 11 + type.category * 5) % 2_500])
      text.put(byte: 0x22)
    case .flag: text.put(random.chance(0.3) ? "true" : "false")
    case .hash:
      text.put(byte: 0x22)
      for _ in 0...(field.form & 1) { text.put(hex: random.next(), digits: 16) }
      text.put(byte: 0x22)
    default:
      text.put("{\"lat\":")
      text.put(random.below(18_000_000) - 9_000_000, decimals: 5)
      text.put(",\"lon\":")
      text.put(random.below(36_000_000) - 18_000_000, decimals: 5)
      text.put(byte: 0x7d)
    }
  }
}
