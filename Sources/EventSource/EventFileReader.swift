public import Platform

/// Reads events from a file or pipe to its end: plain, or gzip (known by its first bytes, any number of members).
///
/// Positions are byte offsets behind the line, unpacked. A byte order mark at the start is skipped. Memory is bounded
/// by one line and one batch. Not thread-safe.
public final class EventFileReader {
  /// Bytes of the file, as they lie there; nil for a pipe.
  public let bytesTotal: Int?
  private let input: InputBytes
  private let lines: EventLines
  private var failure: EventReadError?
  private var isAtEnd = false

  /// Bytes taken from the file so far, for a progress bar.
  public var bytesRead: Int { input.bytesRead }

  /// Lines read so far.
  public var linesRead: Int { lines.lineNumber }

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
    input = InputBytes(file: file)
    lines = EventLines(rules: rules, clock: clock, limits: limits)
    if let status = try? file.status(), status.isRegular { bytesTotal = status.size } else { bytesTotal = nil }
  }

  /// The next events, or nil at the end.
  ///
  /// A damaged or truncated file first gives what is before the damage, then throws; a line that the damage cut is
  /// not given.
  public func next() throws(EventReadError) -> ReadBatch? {
    if let failure { throw failure }
    var batch = lines.newBatch()
    while !isAtEnd {
      if lines.takeWhole(into: &batch) { return batch }
      do throws(EventReadError) {
        if unsafe try lines.fill({ (room) throws(EventReadError) in unsafe try input.read(into: room) }) == 0 {
          isAtEnd = true
          lines.takeLast(into: &batch)
        }
      } catch {
        failure = error
        if batch.lines > 0 { return batch }
        throw error
      }
    }
    return batch.lines > 0 ? batch : nil
  }
}
