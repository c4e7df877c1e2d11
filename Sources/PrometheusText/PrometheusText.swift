// PrometheusText
