/// `Streams.BatchAppend`: each message of the call is an append, answered under its own id; any expected revision.
final class BatchAppend: Answer {
  private let services: Services
  private var waiting: [[UInt8]] = []
  private var isFinished = false

  init(_ services: Services) { self.services = services }

  override var isLive: Bool { true }

  override func take(_ message: UnsafeRawBufferPointer) {
    var id: [UInt8] = []
    var identifier: [UInt8] = []
    var stream = ""
    var last: (position: LogPosition, revision: UInt64)?
    var fields = Fields(message)
    while fields.next() {
      switch fields.number {
      case 1: id = Array(fields.slice)
      case 2:
        var options = Fields(fields.slice)
        while options.next() {
          guard options.number == 1 else { continue }
          identifier = Array(options.slice)
          var name = Fields(options.slice)
          while name.next() { if name.number == 3 { stream = String(decoding: name.slice, as: UTF8.self) } }
        }
      case 3: last = services.append(NewEvent(proposed: fields.slice, stream: stream))
      default: break
      }
    }
    waiting.append(
      built {
        $0.append(field: 1, bytes: id)
        $0.append(field: 3) { success in
          if let last {
            success.append(field: 1, varint: last.revision)
            success.append(field: 3) { $0.append(position: last.position) }
          }
        }
        $0.append(field: 4, bytes: identifier)
      })
  }

  override func clientFinished() { isFinished = true }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    var count = 0
    while count < messagesMax, !waiting.isEmpty {
      out.append(message: waiting.removeFirst())
      count += 1
    }
    return (count, isFinished && waiting.isEmpty ? .finished(.ok) : .waiting(until: nil))
  }
}
