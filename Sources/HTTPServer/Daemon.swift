import CMicrohttpd
import Platform

/// One daemon of libmicrohttpd on the server's socket. When certificates change a second one takes over, and the first
/// goes on serving its connections until the last is closed.
@safe final class Daemon: @unchecked Sendable {
  // `@unchecked Sendable`: `handle` is set by `start` and cleared by `stop`, which one thread at a time calls (the
  // watchdog, or whoever stops the server after it has joined that); the counters are behind `state`. `@safe`: the
  // library keeps `handle` valid until `stop`.
  /// Handlers run on these threads; touched pages only count.
  private static let threadStackBytes = 2 * 1024 * 1024

  let core: ServerCore
  let isTLS: Bool
  private let state = Locked((connections: 0, draining: false))
  private var handle: OpaquePointer?
  private var socket: FileDescriptor?

  init(core: ServerCore, isTLS: Bool) {
    self.core = core
    self.isTLS = isTLS
  }

  /// Accepts connections from now on.
  func start(on listening: FileDescriptor, _ material: TLSMaterial?) throws(HTTPServerError) {
    let socket: FileDescriptor
    do {
      // A number of its own, since the library may close it.
      socket = try Sockets.duplicate(listening)
    } catch {
      throw HTTPServerError(.system, "cannot \(error.operation): \(error.reason)", hint: Self.resourceHint)
    }
    unsafe handle = unsafe launch(socket.number, material)
    guard unsafe handle != nil else {
      throw HTTPServerError(.system, "the HTTP library cannot start its thread", hint: Self.resourceHint)
    }
    self.socket = socket
  }

  private static let resourceHint = "Raise the limits of open files and of threads (ulimit -n, ulimit -u)."

  private func launch(_ socket: Int32, _ material: TLSMaterial?) -> OpaquePointer? {
    var settings = unsafe clew_mhd_settings()
    unsafe settings.listen_socket = socket
    unsafe settings.connection_limit = UInt32(clamping: core.limits.connectionsMax)
    unsafe settings.connection_memory = max(core.limits.connectionMemoryBytes, 4096)
    unsafe settings.thread_stack = Self.threadStackBytes
    unsafe settings.context = Unmanaged.passUnretained(self).toOpaque()
    unsafe settings.handle = handleRequest
    unsafe settings.completed = requestCompleted
    unsafe settings.connection_changed = connectionChanged
    unsafe settings.request_line = requestLine
    unsafe settings.unescape = leaveEscaped
    unsafe settings.log = unsafe libraryLog
    guard let material else { return unsafe clew_mhd_start(&settings) }
    return unsafe withText(material.key) { key in
      unsafe withText(material.certificate) { certificate in
        unsafe withText(material.clientCA ?? []) { authority in
          unsafe withText(Array(TLSSession.priorities.utf8)) { priorities in
            unsafe settings.tls_key = key
            unsafe settings.tls_certificate = certificate
            unsafe settings.tls_client_ca = material.clientCA == nil ? nil : authority
            unsafe settings.tls_priorities = priorities
            return unsafe clew_mhd_start(&settings)
          }
        }
      }
    }
  }

  private func withText<R>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
    unsafe (bytes + [0]).withUnsafeBytes { unsafe body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
  }

  /// Accepts no more; connections that exist go on, and close after their next answer.
  func quiesce() {
    let first = state.withLock { state in
      defer { state.draining = true }
      return !state.draining
    }
    if first { unsafe MHD_quiesce_daemon(handle) }
  }

  /// Ends all connections and joins all threads.
  func stop() {
    quiesce()
    unsafe MHD_stop_daemon(handle)
    unsafe handle = nil
    socket?.close()
    socket = nil
  }

  var isDraining: Bool { state.withLock { $0.draining } }
  var hasConnections: Bool { state.withLock { $0.connections > 0 } }

  func opened(_ record: ConnectionRecord) {
    state.withLock { $0.connections += 1 }
    core.table.add(record)
    core.count { $0.connectionsAccepted += 1 }
    core.makeRoom()
  }

  func closed(_ record: ConnectionRecord) {
    record.closed()
    unsafe record.exchange?.ended(nil)
    record.exchange = nil
    if record.neverRequested { core.count { $0.connectionsWithoutRequest += 1 } }
    core.table.remove(record)
    state.withLock { $0.connections -= 1 }
  }

  func libraryLogged(_ line: String) {
    let noThread = line.contains("Failed to create a")
    if noThread || line.contains("connection limit. Closing") { core.count { $0.connectionsRejected += 1 } }
    if noThread || line.contains("resource limit") {
      core.log.limitedWarning("http", "connections wait or are refused. \(Self.resourceHint) libmicrohttpd: \(line)")
    } else {
      core.log.debug("http", "libmicrohttpd: \(line)")
    }
  }
}
