/// Cuts the body of a gRPC answer into messages: one byte flag, four bytes length, big-endian, then the message.
///
/// Chunks end anywhere. A message that lies whole in a chunk is handed over in place; only one that is split is copied.
struct GRPCFrames {
  static let prefixBytes = 5

  enum Failure: Error, Equatable {
    case tooLong(Int)
    case badFlag(UInt8)
    /// Whoever takes the messages wants no more.
    case stopped
  }

  private let bytesMax: Int
  /// The beginning of a message that the next chunks continue.
  private var rest: [UInt8] = []

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// Whether the body may end here.
  var isBetweenMessages: Bool { rest.isEmpty }

  /// What is kept of a split message; never more than one message and its prefix.
  var keptBytes: Int { rest.count }

  /// A message with its prefix, as it is sent.
  static func framed(_ message: [UInt8]) -> [UInt8] {
    precondition(message.count <= Int(UInt32.max), "a message of gRPC has at most 4 GiB")
    let length = UInt32(message.count)
    let prefix = [0] + stride(from: UInt32(24), through: 0, by: -8).map { UInt8(truncatingIfNeeded: length >> $0) }
    return prefix + message
  }

  /// - Parameter body: false: no more messages are wanted, this one was taken.
  mutating func take(
    _ chunk: UnsafeRawBufferPointer, while body: (GRPCMessage) -> Bool
  ) throws(Failure) {
    var offset = 0
    if !rest.isEmpty {
      unsafe offset = try complete(chunk, while: body)
      if !rest.isEmpty { return }
    }
    while chunk.count - offset >= Self.prefixBytes {
      let length = unsafe try Self.length(chunk[(offset)..<(offset + Self.prefixBytes)], bytesMax)
      let start = offset + Self.prefixBytes
      guard chunk.count - start >= length else {
        rest.reserveCapacity(Self.prefixBytes + length)
        break
      }
      let message = unsafe UnsafeRawBufferPointer(rebasing: chunk[start..<(start + length)])
      guard unsafe body(GRPCMessage(bytes: message, isCompressed: chunk[offset] == 1)) else { throw .stopped }
      offset = start + length
    }
    unsafe rest.append(contentsOf: chunk[offset...])
    if rest.count >= Self.prefixBytes { _ = try Self.length(rest[0..<Self.prefixBytes], bytesMax) }
  }

  /// Adds to a split message; returns how many bytes of the chunk belonged to it.
  private mutating func complete(
    _ chunk: UnsafeRawBufferPointer, while body: (GRPCMessage) -> Bool
  ) throws(Failure) -> Int {
    var offset = 0
    if rest.count < Self.prefixBytes {
      offset = min(Self.prefixBytes - rest.count, chunk.count)
      unsafe rest.append(contentsOf: chunk[0..<offset])
      if rest.count < Self.prefixBytes { return offset }
    }
    let length = try Self.length(rest[0..<Self.prefixBytes], bytesMax)
    let wanted = min(Self.prefixBytes + length - rest.count, chunk.count - offset)
    unsafe rest.append(contentsOf: chunk[offset..<(offset + wanted)])
    if rest.count == Self.prefixBytes + length {
      let goesOn = unsafe rest.withUnsafeBufferPointer { all in
        let message = unsafe UnsafeRawBufferPointer(
          rebasing: UnsafeRawBufferPointer(all)[Self.prefixBytes...])
        return unsafe body(GRPCMessage(bytes: message, isCompressed: all[0] == 1))
      }
      guard goesOn else { throw .stopped }
      // A rare large message must not keep its memory for the life of a subscription.
      rest.removeAll(keepingCapacity: rest.capacity <= 1 << 20)
    }
    return offset + wanted
  }

  private static func length<Bytes: RandomAccessCollection<UInt8>>(
    _ prefix: Bytes, _ bytesMax: Int
  ) throws(Failure) -> Int {
    var length = 0
    for byte in prefix.dropFirst() { length = length << 8 | Int(byte) }
    if let flag = prefix.first, flag > 1 { throw .badFlag(flag) }
    if length > bytesMax { throw .tooLong(length) }
    return length
  }
}
