import EventModel

/// The kinds of a finished segment, and which follows which: what heads are decoded with. Immutable.
public final class SegmentKinds: Sendable {
  public let kinds: [EventKind]
  /// For each kind, the number of its type: equal for equal types. Kinds of a block's own have `otherType`.
  public let typeNumbers: [UInt32]
  public let typeCount: Int
  // Columns of `kinds` for tight loops.
  let flags: [EventFrame.Flags]
  let forms: [CorrelationForm]
  let sources: [UInt32]
  let words: [UInt32]
  let lengths: [UInt64]
  let names: [UInt8]
  let nameStarts: [Int32]
  /// For each context (0, or a kind and 1) where its followers start in `followers`; one more at the end.
  private let followerStarts: [Int32]
  private let followers: [UInt32]
  /// About what it occupies.
  public let memoryBytes: Int

  /// The type number of a kind that the table had no room for.
  public static let otherType = UInt32.max

  /// - Parameter followers: what `KindTableBuilder.encodedFollowers` gave. Any other bytes throw.
  public init(kinds: [EventKind], followers bytes: UnsafeRawBufferPointer) throws(BlockError) {
    guard kinds.count <= BlockLimits.kindCountMax, kinds.allSatisfy(\.isPossible) else {
      throw .badPayload(reason: "a kind of events is impossible")
    }
    self.kinds = kinds
    var numbers: [[UInt8]: UInt32] = [:]
    var types: [UInt32] = []
    types.reserveCapacity(kinds.count)
    for kind in kinds {
      let number = numbers[kind.type] ?? UInt32(numbers.count)
      numbers[kind.type] = number
      types.append(number)
    }
    flags = kinds.map(\.flags)
    forms = kinds.map(\.correlationForm)
    sources = kinds.map(\.sourceIndex)
    words = kinds.map(\.word)
    lengths = kinds.map(\.lengths)
    var names: [UInt8] = []
    var starts: [Int32] = [0]
    for kind in kinds {
      names += kind.names
      starts.append(Int32(names.count))
    }
    self.names = names
    nameStarts = starts
    typeNumbers = types
    typeCount = numbers.count
    var cursor = unsafe ByteCursor(bytes)
    var listStarts: [Int32] = [0]
    var all: [UInt32] = []
    for _ in 0...kinds.count {
      let count = try cursor.count(max: BlockLimits.followerCountMax - all.count)
      for _ in 0..<count { all.append(UInt32(try cursor.count(max: kinds.count - 1))) }
      listStarts.append(Int32(all.count))
    }
    try cursor.expectEnd()
    followerStarts = listStarts
    followers = all
    memoryBytes = kinds.reduce(0) { $0 + 2 * $1.nameBytes + 220 } + all.count * 4 + 256
  }

  /// Which kind follows which, for tight loops. `@unsafe`: valid inside `withFollowers` only.
  @unsafe struct Followers {
    fileprivate let starts: UnsafeBufferPointer<Int32>
    fileprivate let followers: UnsafeBufferPointer<UInt32>

    var kindCount: Int { unsafe starts.count &- 2 }

    /// The kind of a rank behind a context; nil if there is none.
    ///
    /// - Precondition: the context is 0, or a kind and 1: of these there are as many as `starts` has, but for the last.
    @inline(__always) func follower(context: Int, rank: UInt64) -> UInt32? {
      let start = unsafe Int(starts[context])
      let count = unsafe Int(starts[context &+ 1]) &- start
      guard rank < UInt64(count) else { return nil }
      return unsafe followers[start &+ Int(rank)]
    }
  }

  @inline(__always) func withFollowers(
    _ body: (Followers) throws(BlockError) -> Void
  ) throws(BlockError) {
    unsafe try followerStarts.withUnsafeBufferPointer { (starts) throws(BlockError) in
      unsafe try followers.withUnsafeBufferPointer { (followers) throws(BlockError) in
        unsafe try body(Followers(starts: starts, followers: followers))
      }
    }
  }
}
