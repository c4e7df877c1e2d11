// TraceServerTests
