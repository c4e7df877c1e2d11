// SegmentStoreTests
