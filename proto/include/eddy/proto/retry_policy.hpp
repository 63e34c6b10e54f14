// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::proto {

/// Limits retries to a part of the calls, so that clients do not multiply the load of a service that fails. Each call
/// adds `part` of a retry to the budget, and each retry takes one. Both expire after `window`. In addition,
/// `min_per_second` retries per second are always permitted, for clients with few calls. Finagle's RetryBudget has the
/// same rule and the same defaults.
/// Thread safety: any thread. Copies share the budget.
/// Cost: one lock for each call and each retry.
class retry_budget {
public:
    /// Creates a budget.
    /// Errors: throws `misuse` if `part` or `min_per_second` is negative, or `window` is less than 1 ms.
    explicit retry_budget(double part = 0.2, double min_per_second = 10,
                          time::duration window = std::chrono::seconds(10),
                          std::source_location where = std::source_location::current())
        : state_(std::make_shared<state>(part, min_per_second, window, where)) {}

    /// Adds the share of one call.
    void deposit() { state_->add(time::clock::now(), state_->part); }
    /// Takes one retry. Returns false, without a change, if the budget is used up.
    [[nodiscard]] bool withdraw() { return state_->take(time::clock::now()); }

private:
    // The window has ten slots, which expire one by one. Amounts are in thousandths of a retry.
    struct state {
        using amount = std::int64_t;
        static constexpr amount one = 1000;
        static constexpr amount most = 1'000'000'000'000'000;  // of a slot: sums do not overflow
        static constexpr std::size_t slots = 10;

        state(double share, double min_per_second, time::duration window, const std::source_location& where)
            : slot_time(window / slots) {
            if (!(share >= 0) || !(min_per_second >= 0))
                throw misuse("a retry budget cannot be negative: pass 0 or more", where);
            if (window < std::chrono::milliseconds(1))
                throw misuse("the window of a retry budget is at least 1 ms", where);
            part = amount_of(share);
            reserve = amount_of(min_per_second * std::chrono::duration<double>(window).count());
        }

        void add(time::time_point now, amount count) {
            const std::lock_guard guard(lock);
            amount& slot = slot_at(now);
            slot = detail::lesser(slot + count, most);
        }
        bool take(time::time_point now) {
            const std::lock_guard guard(lock);
            amount& slot = slot_at(now);
            amount sum = reserve;
            for (const amount each : ring) sum += each;
            if (sum < one) return false;
            slot -= one;
            return true;
        }

        static amount amount_of(double retries) noexcept {
            const double parts = detail::lesser(retries * one, static_cast<double>(most));
            return static_cast<amount>(parts + 0.5);  // NOLINT(bugprone-incorrect-roundings): it is not negative
        }

        /// Returns the slot of `now`, and clears the slots that have expired.
        amount& slot_at(time::time_point now) {
            const std::int64_t number = now.time_since_epoch() / slot_time;
            for (auto n = detail::greater(current + 1, number - static_cast<std::int64_t>(slots) + 1); n <= number;
                 ++n) {
                ring[static_cast<std::size_t>(n) % slots] = 0;
            }
            current = detail::greater(current, number);
            return ring[static_cast<std::size_t>(current) % slots];
        }

        amount part = 0;
        amount reserve = 0;
        const time::duration slot_time;
        detail::mutex lock;
        // Guarded by lock:
        std::array<amount, slots> ring{};
        std::int64_t current = 0;  // the number of the newest slot
    };

    std::shared_ptr<state> state_;
};

/// Determines which calls retry() repeats, how often and when: `retry_policy(time::backoff(50ms).max_retries(3))`.
/// Thread safety: one thread at a time. A copy is independent, except for the budget, which it shares.
class retry_policy {
public:
    /// Constructs a policy that repeats a call after each error, with these delays and the default budget.
    explicit retry_policy(const time::backoff& delays = time::backoff().max_retries(3)) : delays_(delays) {}

    /// Sets after which errors a call is repeated. All by default.
    retry_policy& when(std::function<bool(const std::error_code&)> is_worth) {
        is_worth_ = std::move(is_worth);
        return *this;
    }
    /// Sets the budget, to share one among several services.
    retry_policy& budget(retry_budget shared) {
        budget_ = std::move(shared);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] const time::backoff& delays() const noexcept { return delays_; }
    [[nodiscard]] const std::function<bool(const std::error_code&)>& when() const noexcept { return is_worth_; }
    [[nodiscard]] const retry_budget& budget() const noexcept { return budget_; }

private:
    time::backoff delays_;
    std::function<bool(const std::error_code&)> is_worth_;
    retry_budget budget_;
};

}  // namespace eddy::proto
