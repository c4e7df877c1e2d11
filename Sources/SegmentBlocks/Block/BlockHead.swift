import EventModel

/// What a block holds of one trace: events in the order of ordinals.
public struct HeadRun: Hashable, Sendable {
  public enum TraceKind: UInt8, Sendable {
    case none = 0
    case uuid = 1
    case text = 2
    /// The trace has the id of the run's first event, which is a UUID.
    case firstID = 3
  }

  public var traceKind: TraceKind
  /// The trace began in an earlier block.
  public var continues: Bool
  /// It goes on in the next block.
  public var goesOn: Bool
  /// Places of its events in the block.
  public var events: Range<Int>
}

/// The search head of a block: what is known of its events without touching the data row.
///
/// All arrays have an element for each event, in the order of the block. Immutable; memory: 25 bytes an event.
public struct BlockHead: Sendable {
  /// Values of `parents` below 0.
  public enum Parent {
    /// No cause is given.
    public static let absent: Int32 = -1
    /// The cause is the identifier of the trace.
    public static let trace: Int32 = -2
    /// The cause is the event's own id.
    public static let own: Int32 = -3
    /// The cause is another identifier, in the ids part.
    public static let foreign: Int32 = -4
    /// The same one as that of the event with a foreign cause before it in the run.
    public static let sameForeign: Int32 = -5
  }

  /// Set in `kinds` for a kind of the block's own: the rest is the place in `localKinds`.
  public static let localKindFlag: UInt32 = 1 << 31

  public let number: Int
  public let runs: [HeadRun]
  public let kinds: [UInt32]
  /// The place in this block of the event whose id is the cause, in the same run; or one of `Parent`.
  public let parents: [Int32]
  /// 1: the event's edge goes to its parent.
  public let edges: [UInt8]
  /// Nanoseconds.
  public let created: [Int64]
  /// Empty where they were not asked for.
  public let ordinals: [Int64]
  public let localKinds: [EventKind]
  /// Bytes of all frames of the block.
  public let frameBytes: Int

  public var eventCount: Int { kinds.count }
  public var memoryBytes: Int {
    kinds.count * 25 + runs.count * MemoryLayout<HeadRun>.stride
      + localKinds.reduce(256) { $0 + $1.nameBytes + 180 }
  }

  /// Whether the trace of a run is a text and no UUID.
  public var hasTextTraces: Bool { runs.contains { $0.traceKind == .text } }

  /// Whether the id of an event is a text and no UUID.
  ///
  /// - Precondition: `table` is the one that the head was decoded with.
  public func hasTextIDs(_ table: SegmentKinds) -> Bool {
    kinds.indices.contains { !flags($0, table).contains(.idIsUUID) }
  }

  /// Whether the cause of an event is a text and no UUID.
  ///
  /// - Precondition: `table` is the one that the head was decoded with.
  public func hasTextCauses(_ table: SegmentKinds) -> Bool {
    kinds.indices.contains { parents[$0] != Parent.absent && !flags($0, table).contains(.causeIsUUID) }
  }

  @inline(__always) func flags(_ event: Int, _ table: SegmentKinds) -> EventFrame.Flags {
    let kind = kinds[event]
    return kind & Self.localKindFlag != 0
      ? localKinds[Int(kind & ~Self.localKindFlag)].flags : table.flags[Int(kind)]
  }

  /// - Precondition: `kinds` is the table that the head was decoded with.
  public func kind(_ event: Int, _ table: SegmentKinds) -> EventKind {
    let number = kinds[event]
    return number & Self.localKindFlag != 0
      ? localKinds[Int(number & ~Self.localKindFlag)] : table.kinds[Int(number)]
  }
}

/// The columns of a head before compression. FORMAT.md section 5 draws them.
enum HeadCoding {
  /// Codes of a parent below the first that stands for an event of the run.
  enum Code {
    static let trace: UInt64 = 0
    static let foreign: UInt64 = 1
    static let absent: UInt64 = 2
    static let own: UInt64 = 3
    static let sameForeign: UInt64 = 4
    static let firstEvent: UInt64 = 8
  }
  /// Bits of what is added to `firstEvent`, the distance minus 1 above them.
  static let noEdge: UInt64 = 1
  static let forward: UInt64 = 2

  /// Units of time, in nanoseconds, by their number in the head.
  static let units: [Int64] = [1, 10, 100, 1_000, 1_000_000, 1_000_000_000]
  /// Fractional bits of a slope.
  static let slopeBits: Int64 = 32

  /// What a number grows while another grows by `delta`.
  @inline(__always) static func predicted(_ slope: Int64, _ delta: Int64) -> Int64 {
    let product = slope.multipliedFullWidth(by: delta)
    return product.high &<< 32 | Int64(bitPattern: UInt64(product.low) &>> 32)
  }

  /// - Returns: rise over run, in 2^-32; 0 where it cannot be said.
  static func slope(rise: Int64, run: Int64) -> Int64 {
    guard run > 0, rise >= 0, rise < 1 << 62 else { return 0 }
    let (quotient, _) = UInt64(run).dividingFullWidthSafely((UInt64(rise) >> 32, UInt64(rise) << 32))
    return quotient
  }
}

extension UInt64 {
  /// The quotient of a double word, 0 where it would not fit.
  fileprivate func dividingFullWidthSafely(_ dividend: (high: UInt64, low: UInt64)) -> (Int64, Bool) {
    if dividend.high >= self { return (0, false) }
    let (quotient, _) = dividingFullWidth((dividend.high, dividend.low))
    return quotient < 1 << 62 ? (Int64(quotient), true) : (0, false)
  }
}
