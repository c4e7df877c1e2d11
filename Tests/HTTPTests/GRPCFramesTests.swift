import TestSupport
import Testing

@testable import HTTPClient

struct GRPCFramesTests {
  private func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
    let length = UInt32(message.count)
    return [flag] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + message
  }

  /// The messages of chunks, one after the other.
  private func cut(_ chunks: [[UInt8]], bytesMax: Int = 1 << 20) throws -> (messages: [[UInt8]], isWhole: Bool) {
    var frames = GRPCFrames(bytesMax: bytesMax)
    var messages: [[UInt8]] = []
    for chunk in chunks {
      try unsafe chunk.withUnsafeBytes { bytes in
        try unsafe frames.take(
          bytes,
          while: { message in
            messages.append(unsafe Array(message.bytes))
            return true
          })
      }
    }
    return (messages, frames.isBetweenMessages)
  }

  @Test func `messages are whole wherever the chunks end`() throws {
    let messages: [[UInt8]] = [[], [1], [2, 3, 4], Array(repeating: 9, count: 300), []]
    let body = messages.flatMap { framed($0) }
    for split in 0...body.count {
      let found = try cut([Array(body[..<split]), Array(body[split...])])
      #expect(found.messages == messages && found.isWhole, "split at \(split)")
    }
    let single = try cut(body.map { [$0] })
    #expect(single.messages == messages && single.isWhole)
  }

  @Test func `a body that ends within a message is seen to`() throws {
    let body = framed([1, 2, 3])
    for length in 1..<body.count {
      let found = try cut([Array(body[..<length])])
      #expect(found.messages.isEmpty && !found.isWhole, "\(length) bytes")
    }
  }

  @Test func `a message beyond the limit is refused before it is collected`() {
    #expect(throws: GRPCFrames.Failure.tooLong(101)) {
      try cut([framed(Array(repeating: 0, count: 101))], bytesMax: 100)
    }
    #expect(throws: GRPCFrames.Failure.tooLong(0xffff_ffff)) { try cut([[0, 0xff, 0xff, 0xff, 0xff]], bytesMax: 100) }
    #expect(throws: GRPCFrames.Failure.tooLong(0xffff_ffff)) {
      try cut([[0, 0xff], [0xff, 0xff], [0xff]], bytesMax: 100)
    }
    #expect(throws: GRPCFrames.Failure.badFlag(2)) { try cut([framed([1], flag: 2)]) }
  }

  @Test(arguments: [
    ("plain", "plain"), ("a%20b", "a b"), ("%C3%9F", "ß"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%e2%82%ac", "€"),
  ])
  func `the message of a status is decoded, and what is not encoded stays`(text: String, expected: String) {
    #expect(GRPCStatus.decoded(text) == expected)
  }
}
