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
/// the member names of runtime_metrics and core_metrics:
/// - `eddy_workers`, and for each worker `eddy_worker_busy_seconds_total` and `eddy_worker_queue_tasks`
/// - `eddy_tasks`, `eddy_tasks_spawned_total`
/// - `eddy_polls_total`, and `eddy_budget_forced_yields_total`: polls that have used up their coop budget
/// - the queues of a runtime: `eddy_steals_total`, `eddy_overflows_total`, `eddy_parks_total`,
///   `eddy_injection_queue_tasks`
/// - blocking work: `eddy_blocking_threads`, `eddy_blocking_threads_idle`, `eddy_blocking_queue_tasks`
/// - drivers: `eddy_io_descriptors`, `eddy_io_events_total`, and for event loops `eddy_driver_ticks_total`
/// - polls that lasted too long: `eddy_stalls_total`, and a histogram `eddy_stall_duration_seconds`
/// - histograms: `eddy_poll_duration_seconds`, with poll_time_histogram(true) of the builder, and
///   `eddy_schedule_latency_seconds`, from a wake-up to the poll, with task_statistics(true)
/// Errors: std::bad_alloc.
/// Thread safety: any thread.
/// Cost: about 5 us for a worker; for an event loop some system calls. Nothing is stopped meanwhile.
[[nodiscard]] EDDY_API std::string metrics_text();

}  // namespace eddy
