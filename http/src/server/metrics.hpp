// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/http/status.hpp>
#include <eddy/time/clock.hpp>

// What http::metrics counts: the requests and the connections of servers.

namespace eddy::detail {

/// The state behind http::metrics.
///
/// All accesses are relaxed: the counters are independent, and publish no other data.
/// Thread safety: any thread.
class http_counters {
public:
    /// Counts a request without its duration.
    void count(http::status code) noexcept;
    /// Counts a request that a service has answered.
    void count(http::status code, std::chrono::nanoseconds duration) noexcept;

    void begin_request() noexcept { requests_.fetch_add(1, std::memory_order_relaxed); }
    void end_request() noexcept { requests_.fetch_sub(1, std::memory_order_relaxed); }
    void begin_connection() noexcept {
        connections_.fetch_add(1, std::memory_order_relaxed);
        accepted_.fetch_add(1, std::memory_order_relaxed);
    }
    void end_connection() noexcept { connections_.fetch_sub(1, std::memory_order_relaxed); }

    /// Appends the text format of Prometheus.
    void append_to(std::string& text) const;

private:
    using counter = atomic<std::uint64_t>;

    /// Upper bounds of the buckets of the histogram.
    static constexpr std::array<double, 14> bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                      0.1,    0.25,  0.5,    1,     2.5,  5,     10};
    static constexpr std::size_t least_code = 100;
    static constexpr std::size_t most_code = 999;

    std::array<counter, most_code - least_code + 1> codes_{};
    std::array<counter, bounds.size() + 1> buckets_{};  // not cumulative; the last one has no upper bound
    counter nanoseconds_{0};                            // the sum of all durations
    counter requests_{0};
    counter connections_{0};
    counter accepted_{0};
};

/// Counts a call of a service, if there are counters. A call that has no response is counted as a request that was
/// cancelled.
class counted_call : immovable {
public:
    static constexpr http::status cancelled{499};  // as nginx reports it

    counted_call() noexcept = default;
    ~counted_call() { end(); }

    void begin(http_counters* in) noexcept {
        if (in == nullptr) return;
        in_ = in;
        start_ = time::clock::now();
        in->begin_request();
    }
    /// Ends the call with the status of its response. Does nothing without a call.
    void end(http::status code = cancelled) noexcept {
        if (in_ == nullptr) return;
        in_->end_request();
        std::exchange(in_, nullptr)->count(code, time::clock::now() - start_);
    }

private:
    http_counters* in_ = nullptr;  // null without a call
    time::time_point start_;
};

/// Counts a connection during its lifetime.
class counted_connection {
public:
    explicit counted_connection(std::shared_ptr<http_counters> in) noexcept : in_(std::move(in)) {
        in_->begin_connection();
    }
    counted_connection(counted_connection&&) noexcept = default;
    counted_connection& operator=(counted_connection&&) = delete;
    ~counted_connection() {
        if (in_) in_->end_connection();
    }

private:
    std::shared_ptr<http_counters> in_;
};

}  // namespace eddy::detail
