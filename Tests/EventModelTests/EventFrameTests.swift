import EventModel
import TestSupport
import Testing

@Suite("Event frames") struct EventFrameTests {
  /// Builds one frame with every part filled.
  func fullBatch() -> EventBatch {
    var batch = EventBatch()
    let parts = [
      "0123456789abcdef", "trace-1", "cause-1", "order-7", "OrderPlaced", "shop", "ordering", "v2", #"{"m":1}"#, "{}",
    ]
    let bytes = parts.map { Array($0.utf8) }
    unsafe bytes[0].withUnsafeBytes { id in
      unsafe bytes[1].withUnsafeBytes { correlation in
        unsafe bytes[2].withUnsafeBytes { cause in
          unsafe bytes[3].withUnsafeBytes { stream in
            unsafe bytes[4].withUnsafeBytes { type in
              unsafe bytes[5].withUnsafeBytes { service in
                unsafe bytes[6].withUnsafeBytes { handler in
                  unsafe bytes[8].withUnsafeBytes { metadata in
                    var draft = unsafe EventDraft()
                    unsafe draft.flags = [.idIsUUID, .hasMetadata, .metadataIsJSON]
                    unsafe draft.failure = .metadata
                    unsafe draft.handlerIdentity = .rule
                    unsafe draft.created = Timestamp(nanoseconds: -5)
                    unsafe draft.position = SourcePosition(major: .max, minor: 3)
                    unsafe draft.revision = 12
                    unsafe draft.id = unsafe id
                    unsafe draft.correlation = unsafe correlation
                    unsafe draft.cause = unsafe cause
                    unsafe draft.stream = unsafe stream
                    unsafe draft.type = unsafe type
                    unsafe draft.service = unsafe service
                    unsafe draft.handler = unsafe handler
                    unsafe draft.metadata = unsafe metadata
                    unsafe batch.append(draft)
                    unsafe batch.append(draft)
                  }
                }
              }
            }
          }
        }
      }
    }
    return batch
  }

  @Test func `what was put in comes out`() throws {
    let batch = fullBatch()
    #expect(batch.count == 2)
    let event = batch.withEvent(at: 1) { StoredEvent($0, source: "s", correlation: $0.correlation, payload: true) }
    #expect(event.id.description == "30313233-3435-3637-3839-616263646566")
    #expect(event.correlation?.description == "trace-1")
    #expect(event.cause?.description == "cause-1")
    #expect(event.stream == "order-7")
    #expect(event.type == "OrderPlaced")
    #expect(event.service == "shop")
    #expect(event.handler == "ordering")
    #expect(event.handlerIdentity == .rule)
    #expect(event.failure == .metadata)
    #expect(event.created.nanoseconds == -5)
    #expect(event.position == SourcePosition(major: .max, minor: 3))
    #expect(event.revision == 12)
    #expect(event.data == nil)
    #expect(event.metadata == Payload(bytes: Array(#"{"m":1}"#.utf8), isJSON: true))
    #expect(event.schemaVersion == nil)
  }

  @Test func `a stored batch is taken apart again`() throws {
    let batch = fullBatch()
    let again = try EventBatch(validating: batch.bytes)
    #expect(again.offsets == batch.offsets)
    #expect(batch.bytes.count == 2 * (EventFrame.headerBytes + 16 + 7 + 7 + 7 + 11 + 4 + 8 + 7))
  }

  @Test func `every truncated prefix is refused`() {
    let bytes = fullBatch().bytes
    let one = bytes.count / 2
    for length in 0..<bytes.count where length != 0 && length != one {
      #expect(throws: FrameError.self) { try EventBatch(validating: Array(bytes[0..<length])) }
    }
  }

  @Test func `no flipped bit leads outside the frame`() {
    let bytes = Array(fullBatch().bytes.prefix(fullBatch().bytes.count / 2))
    for bit in 0..<(bytes.count * 8) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      guard let batch = try? EventBatch(validating: damaged) else { continue }
      batch.forEach { _, event in
        _ = StoredEvent(event, source: "", correlation: nil, payload: true)
        unsafe #expect(event.bytes.count <= damaged.count)
      }
    }
  }

  @Test func `the store's numbers are set when a frame is copied`() {
    let batch = fullBatch()
    var stored = EventBatch()
    batch.withEvent(at: 0) { stored.append($0, ordinal: 77, sourceIndex: 5) }
    stored.withEvent(at: 0) { event in
      #expect(event.ordinal == 77)
      #expect(event.sourceIndex == 5)
    }
    #expect(stored.bytes.count == batch.bytes.count / 2)
  }

  @Test func `time differences are held at the bounds and never wrap`() {
    let early = Timestamp(nanoseconds: .min)
    let late = Timestamp(nanoseconds: .max)
    #expect(late.since(early) == .max)
    #expect(early.since(late) == .min)
    #expect(Timestamp(nanoseconds: 5).since(Timestamp(nanoseconds: 7)) == -2)
    #expect(late.advanced(byNanoseconds: 1) == late)
    #expect(early.advanced(byNanoseconds: -1) == early)
  }
}
