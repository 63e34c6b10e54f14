// SPDX-License-Identifier: MIT
#include <eddy/http/metrics.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <eddy/runtime/detail/prometheus_text.hpp>
#include <eddy/runtime/metrics_text.hpp>

#include "server/metrics.hpp"

namespace eddy::detail {
namespace {

double seconds_of(std::chrono::nanoseconds time) noexcept { return std::chrono::duration<double>(time).count(); }

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
    prometheus_text to(text);
    to.begin("http_requests_total", "counter", "Requests by the status of their response.");
    for (std::size_t i = 0; i < codes_.size(); ++i)
        if (const auto count = load(codes_[i]); count != 0)
            to.sample(count, metric_labels().add("code", std::to_string(i + least_code)));

    std::array<std::uint64_t, bounds.size() + 1> durations{};
    std::ranges::transform(buckets_, durations.begin(), load);
    to.begin("http_request_duration_seconds", "histogram", "Time from the call of the service to its response.")
        .histogram(bounds, durations, seconds_of(std::chrono::nanoseconds(load(nanoseconds_))));

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
    return text + metrics_text();
}

service metrics::endpoint() const {
    return [counters = *this](request) -> task<response> {
        co_return response::of_type("text/plain; version=0.0.4; charset=utf-8", counters.text());
    };
}

}  // namespace eddy::http
