import Compression
import TestSupport
import Testing

func sample(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var random = SeededRandom(seed: seed)
  // Half random, half repeated: compressible, but not trivially.
  return (0..<count).map { $0 % 3 == 0 ? UInt8(truncatingIfNeeded: random.next()) : UInt8(truncatingIfNeeded: $0 / 64) }
}

func error(_ body: () throws(CompressionError) -> Void) -> CompressionError? {
  do throws(CompressionError) {
    try body()
    return nil
  } catch { return error }
}

@Suite("DEFLATE") struct DeflateTests {
  @Test(arguments: [0, 1, 100, 4095, 4096, 4097, 70_000, 300_000], [1, 6, 9])
  func `what is packed comes back`(_ count: Int, _ level: Int) throws {
    let bytes = sample(count)
    let packed = Deflate.compress(bytes, level: level)
    #expect(try Deflate.decompress(packed, outputBytes: count) == bytes)
    #expect(try unsafe packed.withUnsafeBytes { unsafe try Deflate.decompress($0, outputBytesMax: count) } == bytes)
  }

  @Test func `every prefix is refused and none traps`() {
    let packed = Deflate.compress(sample(2000))
    for length in 0..<packed.count {
      #expect(
        error { () throws(CompressionError) in
          _ = try Deflate.decompress(Array(packed[0..<length]), outputBytes: 2000)
        } != nil)
    }
  }

  @Test func `bytes behind the stream are refused`() {
    let packed = Deflate.compress(sample(500))
    #expect(
      error { () throws(CompressionError) in
        _ = try Deflate.decompress(packed + [0], outputBytes: 500)
      } == .corrupted(atByte: packed.count))
  }

  @Test func `another length than announced is refused`() {
    let packed = Deflate.compress(sample(500))
    #expect(
      error { () throws(CompressionError) in
        _ = try Deflate.decompress(packed, outputBytes: 501)
      } == .wrongLength(expectedBytes: 501, actualBytes: 500))
    #expect(
      error { () throws(CompressionError) in
        _ = try Deflate.decompress(packed, outputBytes: 499)
      } == .outputTooLarge(limitBytes: 499))
  }

  @Test func `a bomb stops at the limit`() {
    let bomb = Deflate.compress([UInt8](repeating: 0, count: 20_000_000))
    #expect(
      error { () throws(CompressionError) in
        _ = try unsafe bomb.withUnsafeBufferPointer { (all) throws(CompressionError) in
          unsafe try Deflate.decompress(UnsafeRawBufferPointer(all), outputBytesMax: 10_000)
        }
      } == .outputTooLarge(limitBytes: 10_000))
  }

  @Test func `flipped bits never trap`() {
    let bytes = sample(600)
    let packed = Deflate.compress(bytes)
    for bit in 0..<(packed.count * 8) {
      var changed = packed
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      _ = try? Deflate.decompress(changed, outputBytes: 600)
    }
  }
}

@Suite("CRC-32") struct CRC32Tests {
  @Test func `the check value of the standard`() {
    #expect(CRC32.checksum(Array("123456789".utf8)) == 0xcbf4_3926)
    #expect(CRC32.checksum([] as [UInt8]) == 0)
  }

  @Test func `a checksum goes on where another ended`() {
    let bytes = sample(1000)
    let first = CRC32.checksum(Array(bytes[0..<333]))
    #expect(CRC32.checksum(Array(bytes[333...]), seed: first) == CRC32.checksum(bytes))
    #expect(CRC32.checksum([] as [UInt8], seed: first) == first)
  }
}

@Suite("gzip") struct GzipTests {
  @Test func `what is packed comes back, and many members are one file`() throws {
    let first = sample(100_000)
    let second = sample(5, seed: 2)
    let packed = Gzip.compress(first) + Gzip.compress([]) + Gzip.compress(second)
    #expect(Gzip.isGzip(packed))
    #expect(try Gzip.decompress(packed, outputBytesMax: 1 << 20) == first + second)
    #expect(try Gzip.decompress(packed + [0, 0, 0, 0], outputBytesMax: 1 << 20) == first + second)
  }

  @Test func `the output is bounded`() {
    let packed = Gzip.compress([UInt8](repeating: 0, count: 30_000_000))
    #expect(
      error { () throws(CompressionError) in
        _ = try Gzip.decompress(packed, outputBytesMax: 1_000_000)
      } == .outputTooLarge(limitBytes: 1_000_000))
    #expect(throws: Never.self) { try Gzip.decompress(Gzip.compress([1, 2, 3]), outputBytesMax: 3) }
    #expect(throws: CompressionError.self) { try Gzip.decompress(Gzip.compress([1, 2, 3]), outputBytesMax: 2) }
  }

  @Test func `every prefix is an error that names the offset`() {
    let packed = Gzip.compress(sample(3000)) + Gzip.compress(sample(10))
    let whole = Gzip.compress(sample(3000)).count
    for length in 0..<packed.count where length != whole {
      #expect(
        error { () throws(CompressionError) in
          _ = try Gzip.decompress(Array(packed[0..<length]), outputBytesMax: 1 << 20)
        } == .truncated(atByte: length))
    }
  }

  @Test func `garbage behind a member, and a wrong checksum, are errors`() {
    let packed = Gzip.compress(sample(3000))
    #expect(throws: CompressionError.self) { try Gzip.decompress(packed + [1, 2, 3], outputBytesMax: 1 << 20) }
    #expect(throws: CompressionError.self) { try Gzip.decompress(packed + [0, 1], outputBytesMax: 1 << 20) }
    var changed = packed
    changed[packed.count - 6] ^= 1
    #expect(throws: CompressionError.self) { try Gzip.decompress(changed, outputBytesMax: 1 << 20) }
    #expect(throws: CompressionError.self) { try Gzip.decompress([], outputBytesMax: 10) }
  }

  @Test(arguments: [1, 2, 7, 64, 1000]) func `pieces of any size give the same bytes`(_ piece: Int) throws {
    let bytes = sample(20_000) + sample(3, seed: 9)
    let packed = Gzip.compress(sample(20_000)) + Gzip.compress(sample(3, seed: 9))
    let reader = GzipReader()
    var output: [UInt8] = []
    var taken = 0
    var room = [UInt8](repeating: 0, count: piece)
    while true {
      let end = min(taken + piece, packed.count)
      let step = try unsafe packed.withUnsafeBytes { all in
        try unsafe room.withUnsafeMutableBytes { out in
          try unsafe reader.read(UnsafeRawBufferPointer(rebasing: all[taken..<end]), into: out)
        }
      }
      taken += step.consumed
      output += room[0..<step.produced]
      if taken == packed.count && step.produced < piece { break }
    }
    try reader.finish()
    #expect(output == bytes)
    #expect(reader.consumedBytes == packed.count && reader.producedBytes == bytes.count)
  }

  @Test func `what was good before the damage is given first`() throws {
    var packed = Gzip.compress(sample(100_000))
    packed[packed.count - 6] ^= 1
    let reader = GzipReader()
    var room = [UInt8](repeating: 0, count: 200_000)
    let step = try unsafe packed.withUnsafeBytes { all in
      try unsafe room.withUnsafeMutableBytes { unsafe try reader.read(all, into: $0) }
    }
    #expect(Array(room[0..<step.produced]) == sample(100_000))
    #expect(throws: CompressionError.self) {
      try unsafe packed[step.consumed...].withUnsafeBytes { rest in
        try unsafe room.withUnsafeMutableBytes { unsafe try reader.read(rest, into: $0) }
      }
    }
  }
}
