import Compression
import Platform

struct LogPosition: Comparable {
  var commit: UInt64
  var prepare: UInt64

  static func < (a: LogPosition, b: LogPosition) -> Bool { (a.commit, a.prepare) < (b.commit, b.prepare) }
}

/// The events of a server, in order of position, each as the message that it is sent as.
final class EventLog {
  struct Entry {
    /// Of the frame: prefix and message.
    var offset: Int
    var length: Int
    var position: LogPosition
    var revision: UInt64
    var type: Int
    var stream: Int
    /// Scavenged: not sent any more.
    var isGone = false
    /// Seconds after the first event when it was recorded.
    var time: Double
  }

  private(set) var entries: [Entry] = []
  private let frames = ByteQueue(capacity: 1 << 20)
  private(set) var types = Names()
  private(set) var streams = Names()
  /// How many of the entries exist already; the others are written later.
  var visible = 0
  private let rewriter = Rewriter()

  /// Names by number.
  struct Names {
    private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]

    mutating func number(_ bytes: UnsafeRawBufferPointer) -> Int {
      let name = String(decoding: bytes, as: UTF8.self)
      if let number = numbers[name] { return number }
      numbers[name] = names.count
      names.append(name)
      return names.count - 1
    }

    func find(_ name: String) -> Int? { numbers[name] }
  }

  // MARK: Filling

  /// The events of a recording; `copies` of them one after the other, each with ids and positions of its own.
  func load(file: String, call: Int?, copies: Int) throws -> String {
    if file.hasSuffix(".messages.gz") {
      let body = try Gzip.decompress(Files.read(file, bytesMax: 1 << 30), outputBytesMax: 4 << 30)
      body.withUnsafeBytes { body in
        forEachFrame(body) { add(message: $0, time: 0, Rewriter.Change(idsAsText: false)) }
      }
    } else {
      let recording = try Recording(file: file)
      var found: [(position: LogPosition, time: Double, message: [UInt8])] = []
      for recorded in recording.calls where call == nil || recorded.number == call {
        guard recorded.path.hasSuffix("Streams/Read"), call != nil || recorded.readsAll else { continue }
        for step in recorded.steps {
          guard let bytes = try step.unpackedMessage, let facts = bytes.withUnsafeBytes({ EventFacts($0) }) else {
            continue
          }
          found.append((facts.position, step.time, bytes))
        }
      }
      found.sort { $0.position < $1.position }
      var last: LogPosition?
      for event in found where event.position != last {
        last = event.position
        event.message.withUnsafeBytes { add(message: $0, time: event.time, Rewriter.Change(idsAsText: false)) }
      }
      makeCopies(copies)
      visible = entries.count
      return recording.version
    }
    makeCopies(copies)
    visible = entries.count
    return "24.10.14"
  }

  private func makeCopies(_ copies: Int) {
    guard copies > 1, let first = entries.first, let last = entries.last else { return }
    let count = entries.count
    let span = last.position.commit - first.position.commit + 1024
    let ticks = (created(of: count - 1) ?? 0) &- (created(of: 0) ?? 0) &+ 10_000_000
    let original = ByteQueue(capacity: frames.count)
    original.append(frames.bytes)
    for copy in 1..<copies {
      let change = Rewriter.Change(
        idsAsText: false, copy: UInt8(truncatingIfNeeded: copy), positionShift: span * UInt64(copy),
        createdShift: ticks * UInt64(copy))
      for index in 0..<count {
        let entry = entries[index]
        let whole = original.bytes[(entry.offset + 5)..<(entry.offset + entry.length)]
        add(message: UnsafeRawBufferPointer(rebasing: whole), time: entry.time, change)
      }
    }
  }

  private func add(message: UnsafeRawBufferPointer, time: Double, _ change: Rewriter.Change) {
    let offset = frames.count
    rewriter.append(message, change, to: frames)
    let framed = UnsafeRawBufferPointer(rebasing: frames.bytes[(offset + 5)...])
    guard let facts = EventFacts(framed) else {
      frames.removeLast(frames.count - offset)
      return
    }
    entries.append(
      Entry(
        offset: offset, length: frames.count - offset, position: facts.position, revision: facts.revision,
        type: types.number(facts.type), stream: streams.number(facts.stream), time: time))
  }

  /// Adds an event behind the last one, visible at once.
  func append(_ message: [UInt8]) {
    message.withUnsafeBytes { add(message: $0, time: 0, Rewriter.Change(idsAsText: false)) }
    visible = entries.count
  }

  func removeAll() {
    entries = []
    frames.removeAll()
    types = Names()
    streams = Names()
    visible = 0
  }

  /// Takes events away, as a scavenge does: positions of the others stay.
  func scavenge(from: UInt64, to: UInt64) -> Int {
    var count = 0
    for index in entries.indices where (from...to).contains(entries[index].position.commit) && !entries[index].isGone {
      entries[index].isGone = true
      count += 1
    }
    return count
  }

  // MARK: Reading

  /// The message without its prefix; valid until the log grows.
  func message(_ index: Int) -> UnsafeRawBufferPointer {
    let entry = entries[index]
    return UnsafeRawBufferPointer(rebasing: frames.bytes[(entry.offset + 5)..<(entry.offset + entry.length)])
  }

  /// Prefix and message, with the ids as the call wants them.
  @inline(__always) func append(_ index: Int, idsAsText: Bool, to out: ByteQueue) {
    if idsAsText {
      rewriter.append(message(index), Rewriter.Change(idsAsText: true), to: out)
    } else {
      let entry = entries[index]
      out.append(UnsafeRawBufferPointer(rebasing: frames.bytes[entry.offset..<(entry.offset + entry.length)]))
    }
  }

  /// The first visible entry that lies behind a position (or at it, if `inclusive`).
  func index(behind position: LogPosition, inclusive: Bool) -> Int {
    var low = 0
    var high = visible
    while low < high {
      let middle = (low + high) / 2
      let at = entries[middle].position
      if at < position || (!inclusive && at == position) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  var head: LogPosition? { visible > 0 ? entries[visible - 1].position : nil }

  private func created(of index: Int) -> UInt64? { EventFacts(message(index))?.created }
}

extension Recording.Call {
  /// Whether the request was for `$all`.
  var readsAll: Bool { (sent.first.flatMap { try? ReadRequest($0) })?.isAll ?? false }
}

/// What the server itself must know of an event.
struct EventFacts {
  var position = LogPosition(commit: .max, prepare: .max)
  var revision: UInt64 = 0
  var type = UnsafeRawBufferPointer(start: nil, count: 0)
  var stream = UnsafeRawBufferPointer(start: nil, count: 0)
  var created: UInt64 = 0
  var id = EventID()

  /// Nil for an answer that is no event. The record of the log counts: where a link was resolved, the link.
  init?(_ message: UnsafeRawBufferPointer) {
    var outer = Fields(message)
    guard outer.next(), outer.number == 1 else { return nil }
    var record: UnsafeRawBufferPointer?
    var link: UnsafeRawBufferPointer?
    var fields = Fields(outer.slice)
    while fields.next() {
      if fields.number == 1 { record = fields.slice } else if fields.number == 2 { link = fields.slice }
    }
    guard let bytes = link ?? record, !fields.isBroken else { return nil }
    read(bytes)
  }

  private mutating func read(_ record: UnsafeRawBufferPointer) {
    position = LogPosition(commit: 0, prepare: 0)
    var fields = Fields(record)
    while fields.next() {
      switch fields.number {
      case 1: id = EventID(message: fields.slice)
      case 2:
        var name = Fields(fields.slice)
        while name.next() { if name.number == 3 { stream = name.slice } }
      case 3: revision = fields.value
      case 4: position.prepare = fields.value
      case 5: position.commit = fields.value
      case 6:
        var entry = Fields(fields.slice)
        var key = UnsafeRawBufferPointer(start: nil, count: 0)
        var value = key
        while entry.next() {
          if entry.number == 1 { key = entry.slice } else { value = entry.slice }
        }
        if key.count == 4 { type = value }
        if key.count == 7 { created = value.reduce(0) { $0 &* 10 &+ UInt64($1 &- 0x30) } }
      default: break
      }
    }
  }
}

/// Calls `body` with each message of a body of gRPC frames.
func forEachFrame(_ body: UnsafeRawBufferPointer, _ each: (UnsafeRawBufferPointer) -> Void) {
  var at = 0
  while at + 5 <= body.count {
    var length = 0
    for index in 1...4 { length = length << 8 | Int(body[at + index]) }
    if at + 5 + length > body.count { return }
    each(UnsafeRawBufferPointer(rebasing: body[(at + 5)..<(at + 5 + length)]))
    at += 5 + length
  }
}
