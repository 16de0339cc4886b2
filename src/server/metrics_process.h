// What this process uses, as Prometheus's process_* metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace kite::server {

/// A family with one value and no labels.
prometheus::MetricFamily GaugeFamily(std::string name, std::string help, double value);

/// Read from /proc; what cannot be read is left out.
std::vector<prometheus::MetricFamily> ProcessMetrics();

}  // namespace kite::server
