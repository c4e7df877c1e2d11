import EventModel
import Platform
import TraceStore

/// Reads one trace again and again on a thread of its own, until it has seen 300 events.
final class Reader: Sendable {
  private let thread: WorkerThread
  private let isOrdered = Locked(true)

  init(_ store: MemoryTraceStore, trace: String) {
    let isOrdered = isOrdered
    thread = WorkerThread(name: "reader") {
      guard let trace = Identifier(trace) else { return }
      while true {
        guard let contents = try? store.trace(trace), let rows = try? store.handlerStatistics(in: .all) else {
          return isOrdered.withLock { $0 = false }
        }
        let ordinals = contents.records.map(\.ordinal)
        if ordinals != ordinals.sorted() || rows.contains(where: { $0.count < 0 }) {
          isOrdered.withLock { $0 = false }
        }
        if ordinals.count >= 300 { return }
      }
    }
  }

  func join() -> Bool {
    thread.join()
    return isOrdered.withLock { $0 }
  }
}
