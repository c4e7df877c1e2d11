/// A line (or element of an array) that was not taken, alone, and why.
public struct Refusal: Hashable, Sendable {
  /// From 1, as editors count: lines end at line feeds; in an array the number of the element.
  public var line: Int
  public var reason: String

  public init(line: Int, reason: String) {
    self.line = line
    self.reason = reason
  }
}

/// What became of an input: `lines` = accepted + duplicate + conflict + refused + blank.
public struct IngestCounts: Hashable, Sendable {
  /// Longest list of refusals; later ones are counted in `refusalsLeftOut`.
  public static let refusalsMax = 1000

  public var lines = 0
  public var accepted = 0
  public var duplicate = 0
  public var conflict = 0
  public var refused = 0
  public var blank = 0
  public private(set) var refusals: [Refusal] = []
  public private(set) var refusalsLeftOut = 0

  public init() {}

  /// Counts what a batch read, before its events were stored (accepted, duplicate and conflict are the store's).
  public mutating func addRead(_ batch: ReadBatch) {
    lines += batch.lines
    blank += batch.blank
    refused += batch.refused
    for refusal in batch.refusals { keep(refusal) }
    refusalsLeftOut += batch.refused - batch.refusals.count
  }

  /// Counts one line that was read before, and refused later.
  public mutating func addRefusal(_ refusal: Refusal) {
    refused += 1
    keep(refusal)
  }

  private mutating func keep(_ refusal: Refusal) {
    if refusals.count < Self.refusalsMax { refusals.append(refusal) } else { refusalsLeftOut += 1 }
  }
}
