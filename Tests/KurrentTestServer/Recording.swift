import Compression
import Platform
import WireFormats

/// What a real server said, read from a file of recordings (JSON lines, one for each thing that happened).
struct Recording {
  struct Call {
    var number: Int
    var path = ""
    var requestHeaders: [(name: String, value: String)] = []
    /// Messages of the client.
    var sent: [[UInt8]] = []
    var steps: [Step] = []

    var messages: [[UInt8]] {
      steps.compactMap { if case .message(let bytes, _) = $0.what { bytes } else { nil } }
    }

    /// With which status the server ended the call; nil if it did not.
    var status: CallStatus? {
      for step in steps.reversed() {
        switch step.what {
        case .trailers(let headers): return CallStatus(recorded: headers)
        case .headers(let headers, true): return CallStatus(recorded: headers)
        default: continue
        }
      }
      return nil
    }
  }

  struct Step {
    enum What {
      case headers([(name: String, value: String)], endsStream: Bool)
      case message([UInt8], isCompressed: Bool)
      case trailers([(name: String, value: String)])
      case end(by: String, code: Int)
      case goAway
    }
    /// Seconds since the recording began.
    var time: Double
    var what: What

    /// The message of a step that has one.
    var unpackedMessage: [UInt8]? {
      get throws {
        guard case .message(let bytes, let isCompressed) = what else { return nil }
        return isCompressed ? try Gzip.decompress(bytes, outputBytesMax: 64 << 20) : bytes
      }
    }
  }

  var server = ""
  var calls: [Call] = []

  /// `EventStoreDB-24.10.14` gives `24.10.14`.
  var version: String { String(server.split(separator: "-").last ?? "") }

  init(file: String) throws {
    let packed = try Files.read(file, bytesMax: 1 << 30)
    let bytes = Gzip.isGzip(packed) ? try Gzip.decompress(packed, outputBytesMax: 4 << 30) : packed
    var places: [Int: Int] = [:]
    for line in bytes.split(separator: 0x0a) { try add(Array(line), &places) }
  }

  private mutating func add(_ line: [UInt8], _ places: inout [Int: Int]) throws {
    // Messages are nearly all of a file: they are read without a tree.
    if let message = MessageLine(line) {
      let place = place(of: message.call, &places)
      if message.isSent {
        calls[place].sent.append(message.bytes)
      } else {
        calls[place].steps.append(
          Step(time: message.time, what: .message(message.bytes, isCompressed: message.isCompressed)))
      }
      return
    }
    let value = try JSONValue.parse(line)
    let kind = value["kind"]?.string ?? ""
    if kind == "recording" {
      server = value["server"]?.string ?? ""
      return
    }
    guard let number = value["call"]?.int else {
      if kind == "goaway" {
        for place in calls.indices { calls[place].steps.append(Step(time: value["t"]?.double ?? 0, what: .goAway)) }
      }
      return
    }
    let place = place(of: number, &places)
    let time = value["t"]?.double ?? 0
    let headers = Self.headers(value["headers"])
    switch kind {
    case "request":
      calls[place].path = value["path"]?.string ?? ""
      calls[place].requestHeaders = headers
    case "response":
      calls[place].steps.append(
        Step(time: time, what: .headers(headers, endsStream: value["endStream"]?.bool ?? false)))
    case "trailers": calls[place].steps.append(Step(time: time, what: .trailers(headers)))
    case "end":
      let code = value["code"]?.int ?? 0
      calls[place].steps.append(Step(time: time, what: .end(by: value["by"]?.string ?? "", code: code)))
    default: break
    }
  }

  private mutating func place(of number: Int, _ places: inout [Int: Int]) -> Int {
    if let place = places[number] { return place }
    places[number] = calls.count
    calls.append(Call(number: number))
    return calls.count - 1
  }

  private static func headers(_ value: JSONValue?) -> [(name: String, value: String)] {
    (value?.members ?? []).map { member in
      if case .number(let digits) = member.value { return (member.key, digits) }
      return (member.key, member.value.string ?? "")
    }
  }
}

/// `{"call":1,"t":0.05,"kind":"received","message":"…","compressed":false}` and its like.
private struct MessageLine {
  var call: Int
  var time: Double
  var isSent: Bool
  var isCompressed: Bool
  var bytes: [UInt8]

  init?(_ line: [UInt8]) {
    guard let kind = Self.text(line, "\"kind\":\""), kind == Array("sent".utf8) || kind == Array("received".utf8),
      let message = Self.text(line, "\"message\":\""), let bytes = Base64.decode(message),
      let call = Self.number(line, "\"call\":"), let time = Self.number(line, "\"t\":")
    else { return nil }
    self.call = Int(call)
    self.time = time
    isSent = kind.count == 4
    isCompressed = Self.place(line, "\"compressed\":true") != nil
    self.bytes = bytes
  }

  private static func place(_ line: [UInt8], _ text: String) -> Int? {
    let wanted = Array(text.utf8)
    guard line.count >= wanted.count else { return nil }
    var at = 0
    while at + wanted.count <= line.count {
      var same = 0
      while same < wanted.count && line[at + same] == wanted[same] { same += 1 }
      if same == wanted.count { return at + same }
      at += 1
    }
    return nil
  }

  private static func text(_ line: [UInt8], _ key: String) -> [UInt8]? {
    guard let start = place(line, key), let end = line[start...].firstIndex(of: 0x22) else { return nil }
    return Array(line[start..<end])
  }

  private static func number(_ line: [UInt8], _ key: String) -> Double? {
    guard let start = place(line, key) else { return nil }
    let digits = line[start...].prefix { $0 != 0x2c && $0 != 0x7d }
    return Double(String(decoding: digits, as: UTF8.self))
  }
}
