/// Reads one source on threads of its own.
protocol SourceRunner: AnyObject, Sendable {
  func cancel()
  func join()
}
