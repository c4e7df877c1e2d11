// TraceAssembly
