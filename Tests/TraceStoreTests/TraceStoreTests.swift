// TraceStoreTests
