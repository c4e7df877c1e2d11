import TestSupport
import Testing
import WireFormats

/// One gRPC call as it was recorded on a real server.
struct RecordedCall: Sendable {
  var number: Int
  var path: String
  var sent: [[UInt8]] = []
  var received: [(bytes: [UInt8], isCompressed: Bool)] = []
  /// Of the response and the trailers together.
  var headers: [String: String] = [:]

  var isRead: Bool { path.hasSuffix(".Streams/Read") }
}

/// A recording of the shared data, and what an independent decoder found in it.
struct Recording: Sendable, CustomTestStringConvertible {
  var server: String
  var file: String
  var expected: JSONValue

  var testDescription: String { "\(server)/\(file)" }
  var name: String { String(file.prefix { $0 != "." }) }

  static let servers = ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"]

  /// All recordings of all servers; none without the shared data.
  static let all: [Recording] = {
    guard TestSupport.hasSharedData else { return [] }
    var found: [Recording] = []
    for server in servers {
      guard let text = try? SharedEvents.bytes("kurrentdb/\(server)/expected.json"),
        let expected = try? JSONValue.parse(text)
      else { continue }
      for member in expected.members ?? [] {
        found.append(Recording(server: server, file: member.key, expected: member.value))
      }
    }
    return found
  }()

  static func named(_ name: String, server: String = "es-24.10.14") throws -> Recording {
    guard let found = all.first(where: { $0.server == server && $0.name == name }) else {
      throw TestSupportError("there is no recording \(name) of \(server)")
    }
    return found
  }

  /// The calls, in the order of their beginnings.
  func calls() throws -> [RecordedCall] {
    var calls: [RecordedCall] = []
    var places: [Int: Int] = [:]
    for line in try SharedEvents.bytes("kurrentdb/\(server)/\(file)").split(separator: 0x0a) {
      let value = try JSONValue.parse(Array(line))
      guard let number = value["call"]?.int, let kind = value["kind"]?.string else { continue }
      if kind == "request" {
        places[number] = calls.count
        calls.append(RecordedCall(number: number, path: value["path"]?.string ?? ""))
      }
      guard let place = places[number] else { continue }
      switch kind {
      case "sent": calls[place].sent.append(try Self.message(value))
      case "received":
        calls[place].received.append((try Self.message(value), value["compressed"]?.bool ?? false))
      case "response", "trailers":
        for header in value["headers"]?.members ?? [] { calls[place].headers[header.key] = header.value.string ?? "" }
      default: break
      }
    }
    return calls
  }

  private static func message(_ value: JSONValue) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let text = Array((value["message"]?.string ?? "").utf8)
    guard unsafe text.withUnsafeBytes({ unsafe Base64.decode($0, into: &bytes) }) else {
      throw TestSupportError("a message of a recording is no base64")
    }
    return bytes
  }

  /// What the independent decoder says of the calls.
  var expectedCalls: [JSONValue] { expected["calls"]?.array ?? [] }

  /// The messages of `bulk.messages.gz`, as the places of their bytes.
  static func bulk() throws -> (bytes: [UInt8], messages: [Range<Int>]) {
    let bytes = try SharedEvents.bytes("kurrentdb/es-24.10.14/bulk.messages.gz")
    var messages: [Range<Int>] = []
    var start = 0
    while start + 5 <= bytes.count {
      let length = bytes[(start + 1)..<(start + 5)].reduce(0) { $0 << 8 | Int($1) }
      messages.append((start + 5)..<(start + 5 + length))
      start += 5 + length
    }
    return (bytes, messages)
  }
}

/// What a recorded request for `$all` asked, read with the general reader of protobuf.
struct RecordedRequest {
  var isAll = false
  var isSubscription = false
  var isBackwards = false
  var position: (commit: UInt64, prepare: UInt64)?

  init(_ message: [UInt8]) throws(ProtobufError) {
    try self.init(fields: Self.fields(Self.field(1, message)))
  }

  private init(fields: [(number: Int, bytes: [UInt8], value: UInt64)]) throws(ProtobufError) {
    for field in fields {
      switch field.number {
      case 2:
        isAll = true
        for inner in try Self.fields(field.bytes) where inner.number == 1 {
          let numbers = try Self.fields(inner.bytes)
          position = (
            numbers.last { $0.number == 1 }?.value ?? 0, numbers.last { $0.number == 2 }?.value ?? 0
          )
        }
      case 3: isBackwards = field.value == 1
      case 6: isSubscription = true
      default: break
      }
    }
  }

  static func field(_ number: Int, _ message: [UInt8]) throws(ProtobufError) -> [UInt8] {
    try fields(message).last { $0.number == number }?.bytes ?? []
  }

  static func fields(_ message: [UInt8]) throws(ProtobufError) -> [(number: Int, bytes: [UInt8], value: UInt64)] {
    unsafe try message.withUnsafeBufferPointer { (typed) throws(ProtobufError) in
      var found: [(number: Int, bytes: [UInt8], value: UInt64)] = []
      var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(typed))
      while unsafe try reader.next() {
        let number = unsafe reader.field
        switch unsafe reader.wireType {
        case .varint: found.append((number, [], unsafe try reader.varint()))
        case .bytes: found.append((number, unsafe Array(try reader.slice()), 0))
        default: unsafe try reader.skip()
        }
      }
      return found
    }
  }
}
