// TraceServer
