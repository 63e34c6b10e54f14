// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// Which workers sleep, and how many look for work: so that a push wakes a sleeper when that helps, and only then (the
/// model is Tokio's multi_thread::idle).
///
///     word   bits 0..15   searching   workers that are awake, have nothing, and look into other queues
///            bits 16..31  awake       workers that are not in sleepers_; searching ones included
///
///     who pushes                                   who goes to sleep
///     1. puts the task into a queue                1. leaves `awake`, by a read-modify-write on the word
///     2. reads the word by a read-modify-write;    2. looks into all queues again, if nobody searches now: whoever
///        wakes a sleeper if nobody searches           pushed before saw a searcher, or none asleep, and woke nobody
///
/// All read-modify-writes on the word are seq_cst and have one order. If 2. of the pusher comes first, the sleeper's
/// look finds the task; else the pusher sees that nobody searches, and wakes. No fence is needed, as TSan knows none.
class idle_workers {
public:
    explicit idle_workers(unsigned count) : count_(count), word_(count * awake_one) { sleepers_.reserve(count); }

    /// For who has pushed a task: a sleeper to unpark, which is awake and searching from now on.
    [[nodiscard]] std::optional<unsigned> worker_to_notify() noexcept {
        if (!should_wake(word_.fetch_add(0, std::memory_order_seq_cst))) return std::nullopt;
        const std::lock_guard guard(lock_);
        // Again, under the lock, which all changes of `awake` are made under: two pushers wake one.
        if (!should_wake(word_.fetch_add(0, std::memory_order_seq_cst)) || sleepers_.empty()) return std::nullopt;
        word_.fetch_add(awake_one + searching_one, std::memory_order_seq_cst);
        const unsigned worker = sleepers_.back();
        sleepers_.pop_back();
        return worker;
    }

    /// True if nobody searches now: look into all queues again. (Also if it was not searching itself: whoever has found
    /// work meanwhile, and has pushed more, may have seen that all are awake, and so woken nobody.)
    [[nodiscard]] bool transition_to_parked(unsigned worker, bool is_searching) noexcept {
        const std::lock_guard guard(lock_);
        sleepers_.push_back(worker);
        const std::uint32_t mine = is_searching ? searching_one : 0;
        return searching(word_.fetch_sub(awake_one + mine, std::memory_order_seq_cst)) == mine;
    }

    /// Allowed for half of the workers at a time: more would only contend for the same queues.
    [[nodiscard]] bool transition_to_searching() noexcept {
        // relaxed: an estimate is enough.
        if (2 * searching(word_.load(std::memory_order_relaxed)) >= count_) return false;
        word_.fetch_add(searching_one, std::memory_order_seq_cst);
        return true;
    }

    /// Having found work. True if it was the last that searched: another one should be woken to go on.
    [[nodiscard]] bool transition_from_searching() noexcept {
        return searching(word_.fetch_sub(searching_one, std::memory_order_seq_cst)) == 1;
    }

    /// A parked worker that found work by itself (its driver's events). False if it had been notified already, and so
    /// counts as searching.
    [[nodiscard]] bool unpark_itself(unsigned worker) noexcept {
        const std::lock_guard guard(lock_);
        const auto found = std::find(sleepers_.begin(), sleepers_.end(), worker);
        if (found == sleepers_.end()) return false;
        *found = sleepers_.back();
        sleepers_.pop_back();
        word_.fetch_add(awake_one, std::memory_order_seq_cst);
        return true;
    }

    [[nodiscard]] bool is_parked(unsigned worker) const noexcept {
        const std::lock_guard guard(lock_);
        return std::find(sleepers_.begin(), sleepers_.end(), worker) != sleepers_.end();
    }

    /// Some sleeper, which goes on sleeping.
    [[nodiscard]] std::optional<unsigned> any_sleeper() const noexcept {
        const std::lock_guard guard(lock_);
        return sleepers_.empty() ? std::nullopt : std::optional(sleepers_.front());
    }

    /// How many are not parked. Out of date as soon as it is read.
    [[nodiscard]] unsigned awake() const noexcept {
        // seq_cst: a sentry that resigns stores that, and then looks here; a worker that begins to run changes the
        // word, and then looks for a sentry. One of the two sees the other.
        return word_.load(std::memory_order_seq_cst) / awake_one;
    }
    [[nodiscard]] bool all_awake() const noexcept { return awake() == count_; }
    [[nodiscard]] bool anybody_searches() const noexcept {
        return searching(word_.load(std::memory_order_relaxed)) != 0;
    }

private:
    static constexpr std::uint32_t searching_one = 1;
    static constexpr std::uint32_t awake_one = 1u << 16;

    [[nodiscard]] static std::uint32_t searching(std::uint32_t word) noexcept { return word % awake_one; }
    [[nodiscard]] bool should_wake(std::uint32_t word) const noexcept {
        return searching(word) == 0 && word / awake_one < count_;
    }

    const std::uint32_t count_;
    atomic<std::uint32_t> word_;
    mutable mutex lock_;
    std::vector<unsigned> sleepers_;
};

}  // namespace eddy::detail
