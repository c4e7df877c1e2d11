import Compression
import Platform

/// The unpacked bytes of a file or pipe.
final class InputBytes {
  private let file: FileDescriptor
  private var packed: [UInt8] = []
  private var packedStart = 0
  private var packedEnd = 0
  private var gzip: GzipReader?
  private var isStarted = false
  private var isAtEnd = false
  /// Bytes taken from the file.
  private(set) var bytesRead = 0

  init(file: FileDescriptor) { self.file = file }

  /// Writes the next bytes to `room`; 0 at the end.
  func read(into room: UnsafeMutableRawBufferPointer) throws(EventReadError) -> Int {
    if !isStarted { try start() }
    guard let gzip else {
      if packedStart == packedEnd { return unsafe try readFile(room) }
      // The first bytes were looked at to tell gzip from plain text.
      let count = min(room.count, packedEnd - packedStart)
      for index in 0..<count { unsafe room[index] = packed[packedStart + index] }
      packedStart += count
      return count
    }
    return unsafe try unpack(gzip, room)
  }

  private func start() throws(EventReadError) {
    isStarted = true
    packed = [UInt8](repeating: 0, count: 64 * 1024)
    while packedEnd < 2 {
      let count = try fillPacked()
      if count == 0 { break }
    }
    if Gzip.isGzip(Array(packed[0..<packedEnd].prefix(2))) { gzip = GzipReader() }
  }

  private func fillPacked() throws(EventReadError) -> Int {
    if packedStart == packedEnd {
      packedStart = 0
      packedEnd = 0
    }
    let from = packedEnd
    let count = unsafe try packed.withUnsafeMutableBufferPointer { (all) throws(EventReadError) -> Int in
      unsafe try readFile(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(all)[from...]))
    }
    packedEnd += count
    return count
  }

  private func readFile(_ room: UnsafeMutableRawBufferPointer) throws(EventReadError) -> Int {
    if isAtEnd { return 0 }
    do throws(FileError) {
      let count = unsafe try file.read(into: room)
      bytesRead += count
      if count == 0 { isAtEnd = true }
      return count
    } catch {
      throw EventReadError(
        .inputOutput, error.description, hint: "check that the file can be read and is no directory")
    }
  }

  private func unpack(_ gzip: GzipReader, _ room: UnsafeMutableRawBufferPointer) throws(EventReadError) -> Int {
    while true {
      if packedStart == packedEnd { _ = try fillPacked() }
      do throws(CompressionError) {
        if packedStart == packedEnd {
          // Zlib may hold bytes back that only now find room.
          let step = unsafe try gzip.read(UnsafeRawBufferPointer(start: nil, count: 0), into: room)
          if step.produced > 0 { return step.produced }
          try gzip.finish()
          return 0
        }
        let step = unsafe try packed.withUnsafeBufferPointer { (all) throws(CompressionError) in
          unsafe try gzip.read(
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[packedStart..<packedEnd]), into: room)
        }
        packedStart += step.consumed
        if step.produced > 0 { return step.produced }
      } catch {
        throw failure(error)
      }
    }
  }

  private func failure(_ error: CompressionError) -> EventReadError {
    switch error {
    case .truncated(let offset):
      EventReadError(
        .truncated, "\(file.path) ends too early: its gzip data is cut off at byte \(offset)",
        hint: "what was read before is kept; copy the file again and read it again, known events are not stored twice")
    default:
      EventReadError(
        .damaged, "\(file.path): \(error.description)",
        hint: "what was read before is kept; `gzip -t` tests the file")
    }
  }
}
