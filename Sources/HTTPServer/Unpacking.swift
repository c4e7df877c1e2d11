import Compression

/// Request bodies unpacked, answers packed.
enum Unpacking {
  enum Result {
    case unpacked([UInt8])
    case tooLarge, outOfMemory
    case damaged(String)
  }

  private static let pieceBytes = 64 * 1024
  /// A scrape is compressed again each time: speed counts more than the last byte.
  private static let level = 2

  /// Unpacks piece by piece, so that a bomb costs no more than its bound.
  ///
  /// - Parameter reserve: is asked for each piece before it is kept; false ends the work with `.outOfMemory`.
  static func gzip(_ packed: [UInt8], bytesMax: Int, reserve: (Int) -> Bool) -> Result {
    let reader = GzipReader()
    var output: [UInt8] = []
    var taken = 0
    var piece = [UInt8](repeating: 0, count: pieceBytes)
    do {
      while true {
        let step = try unsafe packed.withUnsafeBytes { all in
          try unsafe piece.withUnsafeMutableBytes { room in
            try unsafe reader.read(UnsafeRawBufferPointer(rebasing: all[taken...]), into: room)
          }
        }
        taken += step.consumed
        if output.count + step.produced > bytesMax { return .tooLarge }
        guard reserve(step.produced) else { return .outOfMemory }
        output += piece[0..<step.produced]
        if taken == packed.count && step.produced < piece.count {
          try reader.finish()
          return .unpacked(output)
        }
      }
    } catch {
      return .damaged("\(error)")
    }
  }

  /// - Returns: nil where compressing gains nothing.
  static func packed(_ bytes: [UInt8]) -> [UInt8]? {
    let packed = Gzip.compress(bytes, level: level)
    return packed.count < bytes.count ? packed : nil
  }
}
