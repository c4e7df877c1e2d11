import Compression
import TestSupport
import TraceStore
import WireFormats

let wireTargets: [FuzzTarget] = [
  FuzzTarget(name: "json", bytesMax: 4096, seeds: payloadSeeds, run: json),
  FuzzTarget(name: "rfc3339", bytesMax: 64, seeds: timeSeeds, run: time),
  FuzzTarget(name: "base64", bytesMax: 512, seeds: { [Array("AP/+Cg==".utf8), Array("eA==".utf8), []] }, run: base64),
  FuzzTarget(name: "protobuf", bytesMax: 512, seeds: protobufSeeds, run: protobuf),
  FuzzTarget(name: "query", bytesMax: 512, seeds: querySeeds, run: query),
  FuzzTarget(name: "gzip", bytesMax: 2048, seeds: gzipSeeds, run: gzip),
  FuzzTarget(name: "deflate", bytesMax: 2048, seeds: deflateSeeds, run: deflate),
]

@Sendable func payloadSeeds() -> [[UInt8]] {
  var payloads = HostilePayloads(seed: 1)
  payloads.depth = 80
  payloads.keyCount = 20
  payloads.length = 100
  return HostilePayloads.Kind.allCases.map { payloads.payload($0) } + (0..<12).map { _ in payloads.payload(.shaped) }
}

/// The scanner and the tree agree, and a tree is written as it was read.
@Sendable private func json(_ input: [UInt8]) {
  let valid = input.withUnsafeBytes { (try? JSONScanner.validate($0)) != nil }
  guard let value = try? JSONValue.parse(input) else { return }
  demand(valid, "what becomes a tree is valid JSON")
  let again = value.encoded
  demand((try? JSONValue.parse(again)) == value, "a written tree is read as the same tree")
}

@Sendable private func timeSeeds() -> [[UInt8]] {
  [
    "2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123456789+02:30", "1677-09-21T00:12:43.145224192Z",
    "2262-04-11 23:47:16.854775807Z", "2024-02-29T23:59:59.9-23:59",
  ].map { Array($0.utf8) }
}

@Sendable private func time(_ input: [UInt8]) {
  guard case .time(let nanoseconds) = input.withUnsafeBytes({ RFC3339.read($0) }) else { return }
  let shown = RFC3339.string(nanoseconds: nanoseconds)
  demand(RFC3339.parse(shown) == nanoseconds, "\(shown) is read as it was meant")
}

@Sendable private func base64(_ input: [UInt8]) {
  demand(Base64.decode(Base64.encode(input)) == input, "base64 gives the bytes back")
  if let bytes = Base64.decode(input) { demand(Base64.encode(bytes) == input, "one text for each byte sequence") }
}

@Sendable private func protobufSeeds() -> [[UInt8]] {
  var writer = ProtobufWriter()
  writer.put(1, varint: 300)
  writer.put(2, text: "é")
  writer.put(3, zigzag: -5)
  writer.put(4, double: 1.5)
  writer.put(5, float: 1.5)
  writer.put(6) { inner in
    inner.put(1, bytes: [1, 2, 3])
    inner.put(2) { $0.put(1, varint: 1) }
  }
  return [writer.bytes]
}

@Sendable private func protobuf(_ input: [UInt8]) {
  input.withUnsafeBytes { all in
    var pending = [ProtobufReader(all)]
    var steps = 0
    while var reader = pending.popLast() {
      while steps < 10_000, let more = try? reader.next(), more {
        steps += 1
        let copy = reader
        for read in protobufReads {
          var reader = copy
          read(&reader)
        }
        var message = copy
        if pending.count < 64, let inner = try? message.message() { pending.append(inner) }
        guard (try? reader.skip()) != nil else { break }
      }
    }
  }
}

private let protobufReads: [@Sendable (inout ProtobufReader) -> Void] = [
  { _ = try? $0.varint() }, { _ = try? $0.int() }, { _ = try? $0.zigzag() }, { _ = try? $0.bool() },
  { _ = try? $0.float() }, { _ = try? $0.double() }, { _ = try? $0.slice() }, { _ = try? $0.text() },
]

@Sendable private func querySeeds() -> [[UInt8]] {
  [
    #"type:OrderPlaced stream:order-* handler:billing service:shop failed:true duration>2s data.total>100 "free text""#,
    "data.a.b=1.50 metadata.x:\"q\\\"uoted\" -type:A duration<=1h30m", "*", "\"", "data.>", "type:*a*b*",
  ].map { Array($0.utf8) }
}

@Sendable private func query(_ input: [UInt8]) { _ = try? TraceQuery.parse(String(decoding: input, as: UTF8.self)) }

@Sendable private func gzipSeeds() -> [[UInt8]] {
  let text = Array(String(repeating: "abc{\"a\":1}", count: 40).utf8)
  let packed = Gzip.compress(text)
  return [[3, 7] + packed, [200, 200] + packed + packed, [1, 1] + packed + [0, 0, 0], [9, 9] + packed.dropLast(5)]
}

/// In pieces of any size as in one piece.
@Sendable private func gzip(_ input: [UInt8]) {
  var dice = Dice(input)
  let inputPiece = Int(dice.byte()) + 1
  let outputPiece = Int(dice.byte()) + 1
  let packed = dice.rest()
  let limit = 1 << 20
  let whole = Result { try Gzip.decompress(packed, outputBytesMax: limit) }
  let pieces = Result { try gunzipped(packed, inputPiece, outputPiece, limit) }
  if case .success(let bytes) = whole {
    guard case .success(let same) = pieces, same == bytes else { broken("gzip in pieces is gzip in one piece") }
  } else if case .success(let bytes) = pieces {
    demand(bytes.count > limit, "what fails in one piece fails in pieces")
  }
}

private func gunzipped(_ packed: [UInt8], _ inputPiece: Int, _ outputPiece: Int, _ limit: Int) throws -> [UInt8] {
  let reader = GzipReader()
  var output: [UInt8] = []
  var taken = 0
  var room = [UInt8](repeating: 0, count: outputPiece)
  while true {
    let end = min(packed.count, taken + inputPiece)
    let step = try packed.withUnsafeBytes { all in
      try room.withUnsafeMutableBytes { try reader.read(UnsafeRawBufferPointer(rebasing: all[taken..<end]), into: $0) }
    }
    taken += step.consumed
    output += room[0..<step.produced]
    if output.count > limit { return output }
    if taken == packed.count && step.produced < outputPiece { break }
  }
  try reader.finish()
  return output
}

@Sendable private func deflateSeeds() -> [[UInt8]] {
  let text = Array(String(repeating: "abc{\"a\":1}", count: 40).utf8)
  return [1, 6, 12].map { Deflate.compress(text, level: $0) } + [Deflate.compress([])]
}

/// Both libraries say the same of a stream that zlib takes, and what was compressed comes back.
@Sendable private func deflate(_ input: [UInt8]) {
  let limit = 1 << 20
  if let bytes = input.withUnsafeBytes({ try? Deflate.decompress($0, outputBytesMax: limit) }) {
    demand((try? Deflate.decompress(input, outputBytes: bytes.count)) == bytes, "libdeflate reads what zlib reads")
    demand((try? Deflate.decompress(input, outputBytes: bytes.count + 1)) == nil, "a wrong length is noticed")
  } else {
    // libdeflate takes reserved codes that zlib refuses: it may give something, within the room it was given.
    for length in [0, 1, 100, 400] {
      let bytes = try? Deflate.decompress(input, outputBytes: length)
      demand(bytes.map { $0.count == length } ?? true, "exactly so many bytes, or none")
    }
  }
  let packed = Deflate.compress(input, level: input.count % 13)
  demand((try? Deflate.decompress(packed, outputBytes: input.count)) == input, "DEFLATE gives the bytes back")
}
