// HandlerMetrics
