public import Platform

/// Reads events from a file or pipe to its end: plain, or gzip (known by its first bytes, any number of members).
///
/// Positions are byte offsets behind the line, unpacked. Memory is bounded by one line and one batch. Not thread-safe.
public final class EventFileReader {
  /// Bytes of the file, as they lie there; nil for a pipe.
  public let bytesTotal: Int?
  /// Bytes taken from the file so far, for a progress bar.
  public private(set) var bytesRead = 0

  /// - Parameter path: of a file; `-` is the standard input.
  public convenience init(
    path: String, rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock(),
    limits: BatchLimits = BatchLimits()
  ) throws(FileError) {
    let file = path == "-" ? FileDescriptor.standardInput : try FileDescriptor.openForReading(path)
    self.init(file: file, rules: rules, clock: clock, limits: limits)
  }

  public init(
    file: FileDescriptor, rules: ReadingRules = ReadingRules(), clock: any WallClock = SystemClock(),
    limits: BatchLimits = BatchLimits()
  ) {
    bytesTotal = nil
  }

  /// The next events, or nil at the end.
  ///
  /// A damaged or truncated file first gives what is before the damage, then throws; a line that the damage cut is
  /// not given.
  public func next() throws(EventReadError) -> ReadBatch? { nil }
}
