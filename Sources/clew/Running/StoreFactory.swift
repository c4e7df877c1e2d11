import Platform
import SegmentStore
import TraceStore

/// Opens stores, and turns their errors into words for the command line.
enum StoreFactory {
  static func open(_ directory: String, _ options: StoreOptions, _ log: Log) throws(Failure) -> any TraceStore {
    MemoryTraceStore()
  }
}

extension Failure {
  init(_ error: StoreError) {
    self.init(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
  }
}
