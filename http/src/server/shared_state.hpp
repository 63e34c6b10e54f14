// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/service.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/time/clock.hpp>

#include "message/body_timer.hpp"

// What the connections of a server share: counters, limits of memory, and how they tell that they are idle.

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

/// Gives a server access to the private members of its options and its service.
struct server_access {
    /// Returns the memory of these limits. Null in options that were moved from.
    [[nodiscard]] static server_memory* memory(const http::serve_options& of) noexcept { return of.memory_.get(); }
    /// Returns null without serve_options::metrics().
    [[nodiscard]] static const std::shared_ptr<http_counters>& counters(const http::serve_options& of) noexcept {
        return of.counters_;
    }
    [[nodiscard]] static service_answer start(const http::service& one, http::request&& asked) {
        return one.callable_->call(std::move(asked));
    }
};

/// Returns the limits for the time of a request's body.
[[nodiscard]] inline body_rate rate_limits(const http::serve_options& of) noexcept {
    return {of.min_body_rate(), of.io_timeout(), of.body_timeout()};
}

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

/// A number of bytes that several connections have together.
///
/// All accesses are relaxed: the number publishes no other data.
/// Thread safety: any thread.
class shared_bytes {
public:
    /// Adds `bytes` for a connection that has `own` bytes already. Returns false, and adds nothing, if the sum would
    /// exceed `limit`, or if less than `own` would be left for all others. So the first bytes of a connection may take
    /// all that is left. A connection that takes many small parts gets at most half of what is left when it begins.
    [[nodiscard]] bool take(std::size_t bytes, std::size_t own, std::size_t limit) noexcept {
        auto used = used_.load(std::memory_order_relaxed);
        do {
            const auto left = limit > used ? limit - used : 0;
            if (bytes > left || own > left - bytes) return false;
        } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

private:
    atomic<std::size_t> used_{0};
};

/// The memory that the connections of a server use together, and that serve_options limits.
struct server_memory {
    shared_bytes responses;
    shared_bytes windows;  // of HTTP/2: by how much they were enlarged
};

/// The bytes of shared_bytes that one object has. The destructor gives them back.
/// Lifetime: refers to the shared_bytes.
class held_share {
public:
    held_share() noexcept = default;
    held_share(const held_share&) = delete;
    held_share& operator=(const held_share&) = delete;
    ~held_share() {
        if (of_ != nullptr) of_->give_back(count_);
    }

    /// Same as shared_bytes::take(). Without `of`, there is no limit.
    [[nodiscard]] bool take(shared_bytes* of, std::size_t bytes, std::size_t own, std::size_t limit) noexcept {
        if (of != nullptr && !of->take(bytes, own, limit)) return false;
        of_ = of;
        count_ += bytes;
        return true;
    }
    /// Gives back some of the bytes.
    void give_back(std::size_t bytes) noexcept {
        if (of_ != nullptr) of_->give_back(bytes);
        count_ -= bytes;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    shared_bytes* of_ = nullptr;
    std::size_t count_ = 0;
};

/// The idle time of a connection that net::serve() can abort. Does not own the state, unlike
/// serve_connection::idle_time: shared ownership would cost two atomic operations for each request.
class idle_mark {
public:
    idle_mark() noexcept = default;
    idle_mark(idle_mark&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    idle_mark& operator=(idle_mark&&) = delete;
    ~idle_mark() { end(); }

    void begin(served_state& of) noexcept {
        if (of_ != nullptr) return;
        of_ = &of;
        of.begin_idle();
    }
    void end() noexcept {
        if (auto* const of = std::exchange(of_, nullptr)) of->end_idle();
    }

private:
    served_state* of_ = nullptr;
};

}  // namespace eddy::detail
