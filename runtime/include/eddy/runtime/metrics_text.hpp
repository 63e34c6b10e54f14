// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/detail/export.hpp>

namespace eddy {

/// Returns the counters of all runtimes and event loops in this process, in the text format of Prometheus, version
/// 0.0.4. Serve it, or write it to a file for the textfile collector of node_exporter:
///     std::ofstream("/var/lib/node_exporter/program.prom.new") << eddy::metrics_text();
///
/// Each sample has the label `executor`: `pool-1` or `loop-1`, with the id of the runtime or event loop. The names are
/// the member names of runtime_metrics and core_metrics; http/docs/http.md lists them. The histograms
/// `eddy_poll_duration_seconds` and `eddy_schedule_latency_seconds` exist if the builder has switched them on.
/// Errors: std::bad_alloc.
/// Thread safety: any thread.
/// Cost: about 5 us for a worker; for an event loop some system calls. Nothing is stopped meanwhile.
[[nodiscard]] EDDY_API std::string metrics_text();

}  // namespace eddy
