import BlockCodec
import Testing

@Suite("Bodies of a block") struct BodyRoundTripTests {
  @Test func `an empty segment has an empty dictionary`() throws {
    let dictionary = try SegmentDictionary(decoding: DictionaryBuilder().encodedChunks())
    #expect(dictionary.memoryBytes >= 0)
  }
}
