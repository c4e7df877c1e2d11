public import EventModel
public import Platform

/// What became of one line.
public enum LineResult: Hashable, Sendable {
  /// One event was appended to the batch.
  case event
  /// Nothing but white space.
  case blank
  /// Nothing was appended; the reason is for people.
  case refused(String)
}

/// Reads one event from one line (or element): the input form of JSON lines, or a CloudEvent.
///
/// One reader for one thread: it keeps buffers from line to line, so that reading allocates nothing.
public final class EventLineReader {
  public let rules: ReadingRules
  let clock: any WallClock

  public init(rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock()) {
    self.rules = rules
    self.clock = clock
  }

  /// Appends the line's event to `batch`, or says why not. Complexity: O(bytes).
  ///
  /// - Parameters:
  ///   - line: without its line feed; a carriage return at the end is white space.
  ///   - position: of the event in its source.
  public func read(
    line: UnsafeRawBufferPointer, position: SourcePosition, into batch: inout EventBatch
  ) -> LineResult {
    .refused("not read yet")
  }
}
