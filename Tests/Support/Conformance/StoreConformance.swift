public import Testing
public import TraceStore

/// The contract of `TraceStore` as tests that every store must pass.
///
/// A store's own tests are `@Test(arguments: StoreConformance.cases)` with `case.run(makeStore:disturb:)`, or one call
/// of `run` for all. Nothing can be opted out of.
public enum StoreConformance {
  public struct Case: Sendable, CustomTestStringConvertible {
    public var testDescription: String
    let body: @Sendable (_ fresh: () throws -> StoreUnderTest) throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (_ fresh: () throws -> StoreUnderTest) throws -> Void) {
      testDescription = description
      self.body = body
    }

    /// - Parameters:
    ///   - makeStore: gives a new, empty store each time.
    ///   - disturb: called after every append: may seal, or close the store and give it back reopened.
    public func run(
      makeStore: () throws -> any TraceStore,
      disturb: @escaping (any TraceStore) throws -> any TraceStore = { $0 }
    ) throws {
      try body { StoreUnderTest(try makeStore(), disturb: disturb) }
    }
  }

  public static let cases: [Case] =
    causalityCases + correlationCases + identityCases + readingCases + shapeCases + randomCases

  /// Runs all cases.
  public static func run(
    makeStore: () throws -> any TraceStore,
    disturb: @escaping (any TraceStore) throws -> any TraceStore = { $0 }
  ) throws {
    for each in cases { try each.run(makeStore: makeStore, disturb: disturb) }
  }
}
