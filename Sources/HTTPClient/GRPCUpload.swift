import CCurl

/// What a call still has to say, on its way to libcurl. Used by the thread of the call only.
final class GRPCUpload {
  private var waiting: [UInt8]
  private var sent = 0
  private var isFinished = false
  /// libcurl was told that there is nothing, and does not ask again before it is told to.
  private var isResting = false

  init(_ first: [UInt8]) { waiting = first }

  func add(_ bytes: [UInt8]) { waiting += bytes }

  func finish() { isFinished = true }

  /// Whether libcurl must be told to ask again; true once for each rest.
  var mustWake: Bool {
    guard isResting, sent < waiting.count || isFinished else { return false }
    isResting = false
    return true
  }

  func give(_ room: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(room.count, waiting.count - sent)
    if count > 0 {
      unsafe waiting.withUnsafeBytes { all in
        unsafe room.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[sent..<(sent + count)]))
      }
      sent += count
      if sent == waiting.count {
        waiting.removeAll(keepingCapacity: waiting.capacity <= 1 << 20)
        sent = 0
      }
      return count
    }
    if isFinished { return 0 }
    isResting = true
    return Int(CURL_READFUNC_PAUSE)
  }
}

func grpcSendsBody(
  _ room: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context = unsafe context else { return 0 }
  let upload = unsafe Unmanaged<GRPCUpload>.fromOpaque(context).takeUnretainedValue()
  return unsafe upload.give(UnsafeMutableRawBufferPointer(start: room, count: size * count))
}
