// SPDX-License-Identifier: MIT
#include <eddy/runtime/metrics_text.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

#include <eddy/runtime/detail/prometheus_text.hpp>
#include <eddy/task/task_statistics.hpp>

#include "executor/task/observer.hpp"
#include "executor/task/registry.hpp"

namespace eddy {
namespace {

using detail::metric_labels;
using detail::prometheus_text;

double seconds_of(std::chrono::nanoseconds time) noexcept { return std::chrono::duration<double>(time).count(); }

/// An executor, with the counters of its kind.
struct one_executor {
    metric_labels labels;
    const runtime_metrics* pool;
    const core_metrics* loop;
};

/// Writes one metric after the other, each with the samples of all executors: the format requires this order.
class executor_text {
public:
    executor_text(std::string& to, const detail::all_metrics& all) : to_(to) {
        for (const auto& [id, one] : all.pools) all_.emplace_back(named("pool-", id), &one, nullptr);
        for (const auto& [id, one] : all.loops) all_.emplace_back(named("loop-", id), nullptr, &one);
    }

    /// One sample for each executor. nullptr stands for a number that pools or loops do not have.
    template <class OfPool, class OfLoop = std::nullptr_t>
    void number(const char* name, const char* type, const char* help, OfPool of_pool, OfLoop of_loop = nullptr) {
        to_.begin(name, type, help);
        for (const one_executor& one : all_) {
            if constexpr (!std::is_null_pointer_v<OfPool>)
                if (one.pool != nullptr) to_.sample(std::uint64_t{std::invoke(of_pool, *one.pool)}, one.labels);
            if constexpr (!std::is_null_pointer_v<OfLoop>)
                if (one.loop != nullptr) to_.sample(std::uint64_t{std::invoke(of_loop, *one.loop)}, one.labels);
        }
    }
    template <class OfWorker>
    void worker_number(const char* name, const char* type, const char* help, OfWorker of_worker) {
        to_.begin(name, type, help);
        for (const one_executor& one : all_) {
            for (std::size_t i = 0; one.pool != nullptr && i < one.pool->workers(); ++i)
                to_.sample(of_worker(one.pool->worker(i)), metric_labels(one.labels).add("worker", std::to_string(i)));
        }
    }
    template <class OfPool, class OfLoop>
    void durations(const char* name, const char* help, OfPool of_pool, OfLoop of_loop) {
        to_.begin(name, "histogram", help);
        for (const one_executor& one : all_) {
            const duration_histogram found =
                one.pool != nullptr ? std::invoke(of_pool, *one.pool) : std::invoke(of_loop, *one.loop);
            if (found.total() != 0) append(found, one.labels);
        }
    }

private:
    static metric_labels named(const char* kind, std::uint64_t id) {
        return metric_labels().add("executor", kind + std::to_string(id));
    }

    /// Four buckets at a time: their bounds are the powers of two of nanoseconds.
    void append(const duration_histogram& from, const metric_labels& labels) {
        std::vector<double> bounds;
        std::vector<std::uint64_t> counts(1);
        for (std::size_t i = 0; i < duration_histogram::buckets; ++i) {
            if (i % 4 == 1) {
                bounds.push_back(seconds_of(duration_histogram::begin_of(i)));
                counts.push_back(0);
            }
            counts.back() += from.count(i);
        }
        to_.histogram(bounds, counts, seconds_of(from.sum()), labels);
    }

    prometheus_text to_;
    std::vector<one_executor> all_;
};

}  // namespace

std::string metrics_text() {
    detail::all_metrics all;
    detail::visit_executors([&](detail::executor& one) { one.add_metrics_to(all); });
    std::string text;
    executor_text to(text, all);

    to.number("eddy_workers", "gauge", "Worker threads.", &runtime_metrics::workers);
    to.number("eddy_tasks", "gauge", "Tasks that have not ended.", &runtime_metrics::alive_tasks,
              &core_metrics::alive_tasks);
    to.number("eddy_tasks_spawned_total", "counter", "Tasks that were spawned.", &runtime_metrics::spawned_tasks);
    to.number("eddy_polls_total", "counter", "Polls of tasks.", &runtime_metrics::polls, &core_metrics::polls);
    to.number("eddy_budget_forced_yields_total", "counter", "Polls that have used up the coop budget.",
              &runtime_metrics::forced_yields, &core_metrics::forced_yields);
    to.number("eddy_stalls_total", "counter", "Polls that lasted too long.", &runtime_metrics::stalls,
              &core_metrics::stalls);
    to.number("eddy_steals_total", "counter", "Tasks that workers have stolen from others.", &runtime_metrics::steals);
    to.number("eddy_overflows_total", "counter", "Tasks that did not fit into the run queue of a worker.",
              &runtime_metrics::overflows);
    to.number("eddy_parks_total", "counter", "Times that workers have parked.", &runtime_metrics::parks);
    to.number("eddy_injection_queue_tasks", "gauge", "Tasks in the injection queue.",
              &runtime_metrics::injection_queue_depth);
    to.number("eddy_blocking_threads", "gauge", "Threads for blocking work.", &runtime_metrics::blocking_threads);
    to.number("eddy_blocking_threads_idle", "gauge", "Idle threads for blocking work.",
              &runtime_metrics::idle_blocking_threads);
    to.number("eddy_blocking_queue_tasks", "gauge", "Blocking work that waits for a thread.",
              &runtime_metrics::blocking_queue_depth);
    to.worker_number("eddy_worker_busy_seconds_total", "counter", "Time that the worker was not parked.",
                     [](const worker_metrics& one) { return seconds_of(one.busy); });
    to.worker_number("eddy_worker_queue_tasks", "gauge", "Tasks in the queues of the worker.",
                     [](const worker_metrics& one) { return std::uint64_t{one.queued}; });
    const auto io = [](auto member) { return [member](const auto& one) { return member(one.io()); }; };
    const auto descriptors = io([](const io_metrics& of) { return of.fds_registered - of.fds_deregistered; });
    const auto events = io([](const io_metrics& of) { return of.ready_events; });
    to.number("eddy_io_descriptors", "gauge", "Descriptors in the drivers.", descriptors, descriptors);
    to.number("eddy_io_events_total", "counter", "Events that the system has reported.", events, events);
    to.durations("eddy_poll_duration_seconds", "Duration of polls.", &runtime_metrics::poll_times,
                 &core_metrics::poll_times);
    to.durations("eddy_schedule_latency_seconds", "Time from the wake-up of a task to its poll.",
                 &runtime_metrics::schedule_latencies, &core_metrics::schedule_latencies);
    to.durations("eddy_stall_duration_seconds", "Duration of stalls that have ended.", &runtime_metrics::stall_times,
                 &core_metrics::stall_times);
    to.number("eddy_driver_ticks_total", "counter", "Ticks of the driver.", nullptr, &core_metrics::turns);
    return text;
}

std::vector<task_statistics> all_task_statistics() {
    std::vector<task_statistics> all;
    detail::visit_executors([&](const detail::executor& one) {
        const detail::observer* const by = one.observed_by();
        if (by != nullptr && by->accounts != nullptr) by->accounts->append_to(all);
    });
    return all;
}

}  // namespace eddy
