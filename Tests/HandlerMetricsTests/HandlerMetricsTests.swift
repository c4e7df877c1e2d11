// HandlerMetricsTests
