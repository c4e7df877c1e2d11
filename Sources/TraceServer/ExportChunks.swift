public import HTTPServer
import Platform

/// Lines of an export, made piece by piece on the thread that reads them.
public final class ExportChunks: ChunkSource, @unchecked Sendable {
  // `@unchecked Sendable`: `state` and `step` are only touched by the one thread that calls `next`; what other threads
  // touch is behind `flags`.
  private struct Flags {
    var isCancelled = false
    var failure: String?
  }

  private let flags = Locked(Flags())
  private var step: ((ExportChunks) throws -> [UInt8]?)?
  private let log: Log

  /// - Parameter step: makes the next bytes, nil at the end; asks `isCancelled` now and then.
  init(log: Log, _ step: @escaping (ExportChunks) throws -> [UInt8]?) {
    self.log = log
    self.step = step
  }

  public func next() -> [UInt8]? {
    while !isCancelled, let step {
      do {
        guard let bytes = try step(self) else { break }
        if !bytes.isEmpty { return bytes }
      } catch {
        flags.withLock { $0.failure = "\(error)" }
        log.error("export", "\(error)")
        break
      }
    }
    // What the export holds (places, files, cursors) goes with its step.
    step = nil
    return nil
  }

  public func cancel() { flags.withLock { $0.isCancelled = true } }

  var isCancelled: Bool { flags.withLock { $0.isCancelled } }

  /// Why the export is incomplete; nil while it is not.
  public var failure: String? { flags.withLock { $0.failure } }
  public var failed: Bool { failure != nil }
}
