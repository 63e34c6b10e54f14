// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/http/status.hpp>
#include <eddy/time/clock.hpp>

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

/// Counts a call of a service. The destructor counts it with `code`: by default, as a request that was cancelled.
class counted_call : immovable {
public:
    static constexpr http::status cancelled{499};  // as nginx reports it

    explicit counted_call(http_counters& in) noexcept : in_(in) { in.begin_request(); }
    ~counted_call() {
        in_.end_request();
        in_.count(code, time::clock::now() - start_);
    }

    http::status code = cancelled;

private:
    http_counters& in_;
    time::time_point start_ = time::clock::now();
};

/// Ends a call whose response has the status `code`. Does nothing without a call.
inline void end_call(std::optional<counted_call>& call, http::status code) noexcept {
    if (!call) return;
    call->code = code;
    call.reset();
}

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
