import Platform

/// `Streams.Append` into the log, so that programs that write can be tried: one stream, any expected revision.
final class Append: Answer {
  private let answer: [UInt8]

  init(_ call: Call, _ services: Services) {
    var stream = ""
    var position = LogPosition(commit: 0, prepare: 0)
    var revision: UInt64 = 0
    call.forEachMessage { bytes in
      var outer = Fields(bytes)
      while outer.next() {
        if outer.number == 1 {
          var options = Fields(outer.slice)
          while options.next() {
            guard options.number == 1 else { continue }
            var name = Fields(options.slice)
            while name.next() { if name.number == 3 { stream = String(decoding: name.slice, as: UTF8.self) } }
          }
        } else if outer.number == 2 {
          let event = NewEvent(proposed: outer.slice, stream: stream)
          (position, revision) = services.append(event)
        }
      }
    }
    answer = built {
      $0.append(field: 1) {
        $0.append(field: 1, varint: revision)
        $0.append(field: 3) { $0.append(position: position) }
      }
    }
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    out.append(message: answer)
    return (1, .finished(.ok))
  }
}

/// An event that no recording holds.
struct NewEvent {
  var stream: String
  var type = "Invented"
  var id: EventID?
  var isJSON = true
  var data: [UInt8] = []
  var metadata: [UInt8] = []
  /// Nil: behind the last one.
  var position: LogPosition?
  /// In units of 100 ns since 1970; nil: now.
  var created: UInt64?

  init(stream: String) { self.stream = stream }

  init(proposed: UnsafeRawBufferPointer, stream: String) {
    self.stream = stream
    var fields = Fields(proposed)
    while fields.next() {
      switch fields.number {
      case 1: id = EventID(message: fields.slice)
      case 2:
        var entry = Fields(fields.slice)
        var key = ""
        var value = ""
        while entry.next() {
          let text = String(decoding: entry.slice, as: UTF8.self)
          if entry.number == 1 { key = text } else { value = text }
        }
        if key == "type" { type = value }
        if key == "content-type" { isJSON = value == "application/json" }
      case 3: metadata = Array(fields.slice)
      case 4: data = Array(fields.slice)
      default: break
      }
    }
  }
}

extension EventLog {
  /// Writes an event behind the last one; returns where it stands.
  @discardableResult func append(_ event: NewEvent) -> (position: LogPosition, revision: UInt64) {
    let number = streams.find(event.stream)
    let revision = number.map { number in UInt64(entries.lazy.filter { $0.stream == number }.count) } ?? 0
    let behind = (entries.last?.position.commit ?? 0) + UInt64(200 + event.data.count + event.metadata.count)
    let position = event.position ?? LogPosition(commit: behind, prepare: behind)
    let created = event.created ?? UInt64(SystemClock().now().nanoseconds / 100)
    let invented = EventID(high: 0x0b1d_2c3e_4f50_4160, low: 0x8000_0000_0000_0000 | position.commit)
    let id = event.id ?? invented
    let bytes = built {
      $0.append(field: 1) {
        $0.append(field: 1) { record in
          record.append(field: 1) { id.append(to: $0, asText: false) }
          record.append(field: 2) { $0.append(field: 3, text: event.stream) }
          if revision != 0 { record.append(field: 3, varint: revision) }
          if position.prepare != 0 { record.append(field: 4, varint: position.prepare) }
          if position.commit != 0 { record.append(field: 5, varint: position.commit) }
          let contentType = event.isJSON ? "application/json" : "application/octet-stream"
          for (key, value) in [("type", event.type), ("created", "\(created)"), ("content-type", contentType)] {
            record.append(field: 6) {
              $0.append(field: 1, text: key)
              $0.append(field: 2, text: value)
            }
          }
          if !event.metadata.isEmpty { record.append(field: 7, bytes: event.metadata) }
          if !event.data.isEmpty { record.append(field: 8, bytes: event.data) }
        }
        $0.append(field: 3, varint: position.commit)
      }
    }
    append(bytes)
    return (position, revision)
  }
}
