// PrometheusTextTests
