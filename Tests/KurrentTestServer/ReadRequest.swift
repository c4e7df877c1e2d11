/// `Streams.Read` as it was asked.
struct ReadRequest {
  enum From: Equatable {
    case start
    case end
    case position(LogPosition)
    case revision(UInt64)
  }

  enum FilterOption {
    case missing
    case none
    case filter(EventFilter)
  }

  struct Unreadable: Error {}

  var isAll = false
  var stream = ""
  var from = From.start
  var isBackwards = false
  var resolvesLinks = false
  /// Nil for a subscription.
  var count: UInt64?
  var isSubscription = false
  var filter = FilterOption.missing
  /// Nil where it is not said.
  var idsAsText: Bool?

  init(_ message: [UInt8]) throws {
    self = try message.withUnsafeBytes { try ReadRequest(bytes: $0) }
  }

  private init(bytes: UnsafeRawBufferPointer) throws {
    var outer = Fields(bytes)
    while outer.next() {
      guard outer.number == 1 else { continue }
      var options = Fields(outer.slice)
      while options.next() {
        switch options.number {
        case 1: readStream(options.slice)
        case 2: readAll(options.slice)
        case 3: isBackwards = options.value == 1
        case 4: resolvesLinks = options.value != 0
        case 5: count = options.value
        case 6: isSubscription = true
        case 7: filter = .filter(EventFilter(options.slice))
        case 8: filter = .none
        case 9:
          var form = Fields(options.slice)
          while form.next() { idsAsText = form.number == 2 }
        default: break
        }
      }
      if options.isBroken { throw Unreadable() }
    }
    if outer.isBroken { throw Unreadable() }
  }

  private mutating func readStream(_ bytes: UnsafeRawBufferPointer) {
    var fields = Fields(bytes)
    while fields.next() {
      switch fields.number {
      case 1:
        var name = Fields(fields.slice)
        while name.next() { if name.number == 3 { stream = String(decoding: name.slice, as: UTF8.self) } }
      case 2: from = .revision(fields.value)
      case 3: from = .start
      case 4: from = .end
      default: break
      }
    }
  }

  private mutating func readAll(_ bytes: UnsafeRawBufferPointer) {
    isAll = true
    var fields = Fields(bytes)
    while fields.next() {
      switch fields.number {
      case 1:
        var position = LogPosition(commit: 0, prepare: 0)
        var numbers = Fields(fields.slice)
        while numbers.next() {
          if numbers.number == 1 { position.commit = numbers.value } else { position.prepare = numbers.value }
        }
        from = .position(position)
      case 2: from = .start
      case 3: from = .end
      default: break
      }
    }
  }
}

/// A filter as the client sent it, and its verdict on the names of a log.
struct EventFilter {
  var isOnStream = false
  var pattern = ""
  var prefixes: [String] = []
  /// Events considered in one page; nil where no window was said.
  var window: UInt64?
  var multiplier: UInt64 = 0

  /// One stream, and whatever begins with its name.
  init(streamPrefix: String) {
    isOnStream = true
    prefixes = [streamPrefix]
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    var fields = Fields(bytes)
    while fields.next() {
      switch fields.number {
      case 1, 2:
        isOnStream = fields.number == 1
        var expression = Fields(fields.slice)
        while expression.next() {
          let text = String(decoding: expression.slice, as: UTF8.self)
          if expression.number == 1 { pattern = text } else { prefixes.append(text) }
        }
      case 3: window = fields.value
      case 4: window = 32
      case 5: multiplier = fields.value
      default: break
      }
    }
  }

  /// A function that decides by name; nil if the pattern is no regular expression.
  func verdict() -> ((String) -> Bool)? {
    if pattern.isEmpty {
      let prefixes = self.prefixes
      return { name in prefixes.contains { name.hasPrefix($0) } }
    }
    guard let expression = try? Regex(pattern) else { return nil }
    return { name in (try? expression.firstMatch(in: name)) ?? nil != nil }
  }
}
