// TraceAssemblyTests
