// SPDX-License-Identifier: MIT
#include <eddy/http/metrics.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/runtime_metrics.hpp>

#include "server/shared_state.hpp"

namespace eddy::detail {
namespace {

/// Writes the text format of Prometheus: for each metric the lines HELP and TYPE, then its samples.
class metrics_text {
public:
    explicit metrics_text(std::string& to) noexcept : to_(to) {}

    metrics_text& begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        to_.append("# HELP ").append(name).append(" ").append(help).append("\n");
        to_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
        return *this;
    }
    template <class Number>
    metrics_text& sample(Number value, std::string_view suffix = "", std::string_view labels = "") {
        std::array<char, 32> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        to_.append(name_).append(suffix).append(labels).append(" ");
        to_.append(digits.data(), end).append("\n");
        return *this;
    }

private:
    std::string& to_;
    std::string_view name_;
};

std::string label(std::string_view name, std::string_view value) {
    std::string text("{");
    return text.append(name).append("=\"").append(value).append("\"}");
}

double seconds_of(std::chrono::nanoseconds time) noexcept { return std::chrono::duration<double>(time).count(); }

void append_io(metrics_text& to, const io_metrics& io) {
    to.begin("eddy_io_descriptors", "gauge", "Descriptors in the drivers.")
        .sample(io.fds_registered - io.fds_deregistered);
    to.begin("eddy_io_events_total", "counter", "Events that the system has reported.").sample(io.ready_events);
}

void append_runtime(std::string& text, const runtime_metrics& of) {
    metrics_text to(text);
    to.begin("eddy_workers", "gauge", "Worker threads.").sample(of.workers());
    to.begin("eddy_tasks", "gauge", "Tasks that have not ended.").sample(of.alive_tasks);
    to.begin("eddy_tasks_spawned_total", "counter", "Tasks that were spawned.").sample(of.spawned_tasks);
    to.begin("eddy_polls_total", "counter", "Polls of tasks.").sample(of.polls());
    to.begin("eddy_steals_total", "counter", "Tasks that workers have stolen from others.").sample(of.steals());
    to.begin("eddy_parks_total", "counter", "Times that workers have parked.").sample(of.parks());
    to.begin("eddy_injection_queue_tasks", "gauge", "Tasks in the injection queue.").sample(of.injection_queue_depth);
    to.begin("eddy_blocking_threads", "gauge", "Threads for blocking work.").sample(of.blocking_threads);
    to.begin("eddy_blocking_threads_idle", "gauge", "Idle threads for blocking work.").sample(of.idle_blocking_threads);
    to.begin("eddy_blocking_queue_tasks", "gauge", "Blocking work that waits for a thread.")
        .sample(of.blocking_queue_depth);
    to.begin("eddy_worker_busy_seconds_total", "counter", "Time that the worker was not parked.");
    for (std::size_t i = 0; i < of.workers(); ++i)
        to.sample(seconds_of(of.worker(i).busy), "", label("worker", std::to_string(i)));
    append_io(to, of.io());
}

void append_core(std::string& text, const core_metrics& of) {
    metrics_text to(text);
    to.begin("eddy_tasks", "gauge", "Tasks that have not ended.").sample(of.alive_tasks());
    to.begin("eddy_polls_total", "counter", "Polls of tasks.").sample(of.polls());
    to.begin("eddy_driver_ticks_total", "counter", "Ticks of the driver.").sample(of.turns());
    append_io(to, of.io());
}

}  // namespace

void http_counters::count(http::status code) noexcept {
    const auto number = std::clamp<std::size_t>(static_cast<std::size_t>(to_int(code)), least_code, most_code);
    codes_[number - least_code].fetch_add(1, std::memory_order_relaxed);
}

void http_counters::count(http::status code, std::chrono::nanoseconds duration) noexcept {
    count(code);
    const auto* const bucket = std::ranges::lower_bound(bounds, seconds_of(duration));
    buckets_[static_cast<std::size_t>(bucket - bounds.begin())].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
}

void http_counters::append_to(std::string& text) const {
    const auto load = [](const counter& from) { return from.load(std::memory_order_relaxed); };
    metrics_text to(text);
    to.begin("http_requests_total", "counter", "Requests by the status of their response.");
    for (std::size_t i = 0; i < codes_.size(); ++i)
        if (const auto count = load(codes_[i]); count != 0)
            to.sample(count, "", label("code", std::to_string(i + least_code)));

    to.begin("http_request_duration_seconds", "histogram", "Time from the call of the service to its response.");
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        std::array<char, 32> bound{};
        const auto fixed = std::chars_format::fixed;  // not "5e-04": labels are compared as text
        const auto end = std::to_chars(bound.data(), bound.data() + bound.size(), bounds[i], fixed).ptr;
        to.sample(all += load(buckets_[i]), "_bucket", label("le", {bound.data(), end}));
    }
    to.sample(all += load(buckets_.back()), "_bucket", label("le", "+Inf"));
    to.sample(seconds_of(std::chrono::nanoseconds(load(nanoseconds_))), "_sum").sample(all, "_count");

    to.begin("http_requests_in_progress", "gauge", "Requests whose service runs.").sample(load(requests_));
    to.begin("http_connections", "gauge", "Connections.").sample(load(connections_));
    to.begin("http_connections_total", "counter", "Connections since the start.").sample(load(accepted_));
}

}  // namespace eddy::detail

namespace eddy::http {

metrics::metrics() : shared_(std::make_shared<detail::http_counters>()) {}

std::string metrics::text() const {
    std::string text;
    shared_->append_to(text);
    if (const auto runtime = handle::try_current()) {
        detail::append_runtime(text, runtime->metrics());
    } else if (const auto loop = core_handle::try_current()) {
        detail::append_core(text, loop->metrics());
    }
    return text;
}

service metrics::endpoint() const {
    return [counters = *this](request) -> task<response> {
        co_return response::of_type("text/plain; version=0.0.4; charset=utf-8", counters.text());
    };
}

}  // namespace eddy::http
