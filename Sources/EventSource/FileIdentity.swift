import Compression
import EventModel
import Platform

/// What tells the file that was read from another one that now has its name: device, inode, and a checksum over its
/// first bytes, because inodes are used again.
struct FileIdentity: Equatable {
  /// Bytes the checksum is over.
  static let headBytesMax = 256

  var device: UInt64
  var inode: UInt64
  var headBytes: Int
  var headChecksum: UInt32

  init(device: UInt64, inode: UInt64, headBytes: Int, headChecksum: UInt32) {
    self.device = device
    self.inode = inode
    self.headBytes = headBytes
    self.headChecksum = headChecksum
  }

  /// The identity of an open file of which `offset` bytes were read.
  init(_ file: FileDescriptor, _ status: FileStatus, offset: Int) throws(FileError) {
    device = status.device
    inode = status.inode
    headBytes = min(offset, Self.headBytesMax)
    headChecksum = try Self.checksum(file, headBytes)
  }

  func isSameFile(_ status: FileStatus) -> Bool { status.device == device && status.inode == inode }

  /// True if the file still starts with the bytes that were read.
  func startsAlike(_ file: FileDescriptor) throws(FileError) -> Bool {
    try Self.checksum(file, headBytes) == headChecksum
  }

  private static func checksum(_ file: FileDescriptor, _ count: Int) throws(FileError) -> UInt32 {
    var head = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let from = filled
      let got = unsafe try head.withUnsafeMutableBufferPointer { (all) throws(FileError) -> Int in
        unsafe try file.read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(all)[from...]), at: from)
      }
      if got == 0 { break }
      filled += got
    }
    return CRC32.checksum(Array(head[0..<filled]))
  }
}

/// The token of a followed file's checkpoint: `1 <device> <inode> <headBytes> <headChecksum> <lines> <path>`.
struct FileToken: Equatable {
  var identity: FileIdentity
  /// Lines before the checkpoint.
  var lines: Int
  var path: String

  var text: String {
    "1 \(identity.device) \(identity.inode) \(identity.headBytes) \(identity.headChecksum) \(lines) \(path)"
  }

  init(identity: FileIdentity, lines: Int, path: String) {
    self.identity = identity
    self.lines = lines
    self.path = path
  }

  init?(_ text: String) {
    let parts = text.split(separator: " ", maxSplits: 6, omittingEmptySubsequences: false)
    guard parts.count == 7, parts[0] == "1", let device = UInt64(parts[1]), let inode = UInt64(parts[2]),
      let headBytes = Int(parts[3]), (0...FileIdentity.headBytesMax).contains(headBytes),
      let checksum = UInt32(parts[4]), let lines = Int(parts[5]), lines >= 0
    else { return nil }
    identity = FileIdentity(device: device, inode: inode, headBytes: headBytes, headChecksum: checksum)
    self.lines = lines
    path = String(parts[6])
  }
}
