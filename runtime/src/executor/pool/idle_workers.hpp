// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// Tracks which workers are parked and how many search for tasks, so that a push wakes a worker only if that helps.
/// Source: Tokio's runtime::scheduler::multi_thread::idle, with a set of bits instead of a list under a lock.
///
///     word_    bits 0..15   searching   workers that have no task and check the queues of other workers
///              bits 16..31  awake       workers that are not parked, including the searching ones
///     parked_  a bit per worker
///
///     a thread that pushes a task                  a worker that parks
///     1. puts the task into a queue                1. sets its bit, then leaves `awake` with a read-modify-write
///     2. reads the word with a read-modify-write;  2. if no worker searches now, checks all queues again: an earlier
///        wakes a worker if none is searching          pusher may have seen a searching or awake worker and woken none
///
/// Step 2 of the pusher and step 1 of the worker modify the same word, so one precedes the other. If the pusher is
/// first, the worker synchronizes with it and finds the task. Otherwise the pusher sees the parked worker and wakes it.
/// While a worker searches, no wake-up is necessary: the last one checks all queues after transition_from_searching().
/// For this, acq_rel would be enough. The changes of the word are seq_cst because of awake().
///
/// A worker counts as awake before its bit is cleared, by a pusher or by itself. So while `awake` is less than the
/// number of workers, there is a bit. A pusher and a worker that wakes up by itself may both have counted for the same
/// bit. The one that has not cleared it subtracts its count.
///
/// Thread safety: any thread.
class idle_workers {
public:
    explicit idle_workers(unsigned count)
        : count_(count), word_(count * awake_one), parked_(new atomic<std::uint64_t>[words()] {}) {}

    /// Returns a parked worker for the caller to unpark, if a push needs one. The worker counts as awake and searching
    /// from now on. Call this after the push.
    [[nodiscard]] std::optional<unsigned> worker_to_notify() noexcept {
        constexpr std::uint32_t claim = awake_one + searching_one;
        // Adds 0: a read-modify-write, ordered with the one in transition_to_parked(). seq_cst: see above.
        std::uint32_t word = word_.fetch_add(0, std::memory_order_seq_cst);
        while (should_wake(word)) {
            // seq_cst: precedes the load of the roles in wake_watchdog() on the woken worker, see awake().
            if (!word_.compare_exchange_weak(word, word + claim, std::memory_order_seq_cst)) continue;
            while (const auto worker = any_sleeper()) {
                if (leaves_parked(*worker)) return worker;
            }
            // The last parked worker has woken up by itself. Checks again, for workers that have parked meanwhile, and
            // for pushers that have woken none, because they saw a searching worker.
            word = word_.fetch_sub(claim, std::memory_order_seq_cst) - claim;
        }
        return std::nullopt;
    }

    /// Records that the worker parks. Returns true if no worker searches now: the caller must check all queues again.
    /// This also applies if the worker was not searching: a running worker may have pushed tasks while all workers were
    /// awake, and so has woken none.
    [[nodiscard]] bool transition_to_parked(unsigned worker, bool is_searching) noexcept {
        parked_[worker / 64].fetch_or(bit_of(worker), std::memory_order_relaxed);  // relaxed: the word publishes it
        const std::uint32_t mine = is_searching ? searching_one : 0;
        // seq_cst: pairs with worker_to_notify() (see above), and precedes the load of the roles in
        // watchdog::volunteer().
        return searching(word_.fetch_sub(awake_one + mine, std::memory_order_seq_cst)) == mine;
    }

    /// Makes an awake worker a searching one. Returns false if half of the workers search already: more of them would
    /// only contend for the same queues.
    [[nodiscard]] bool transition_to_searching() noexcept {
        // relaxed: the limit need not be exact, and no other memory depends on it.
        if (2 * searching(word_.load(std::memory_order_relaxed)) >= count_) return false;
        // seq_cst: like all changes of the word, see above.
        word_.fetch_add(searching_one, std::memory_order_seq_cst);
        return true;
    }

    /// Records that a searching worker has found a task. Returns true if it was the last searching worker: the caller
    /// should then wake another one if there are more tasks.
    [[nodiscard]] bool transition_from_searching() noexcept {
        // seq_cst: like all changes of the word. As an acquire, it pairs with worker_to_notify() of a pusher that has
        // seen a searching worker; the caller then finds the pushed task.
        return searching(word_.fetch_sub(searching_one, std::memory_order_seq_cst)) == 1;
    }

    /// Records that a parked worker runs again because of its own events. Returns false if it was notified before, and
    /// so counts as searching.
    [[nodiscard]] bool unpark_itself(unsigned worker) noexcept {
        // seq_cst: precedes the load of the roles in worker_set::wake_watchdog(), see awake().
        word_.fetch_add(awake_one, std::memory_order_seq_cst);
        if (leaves_parked(worker)) return true;
        word_.fetch_sub(awake_one, std::memory_order_seq_cst);
        return false;
    }

    [[nodiscard]] bool is_parked(unsigned worker) const noexcept {
        // Adds no bit: a read-modify-write sees the last value, even if the wake-up did not order memory. acquire:
        // pairs with leaves_parked() of the pusher that has woken the worker.
        return (parked_[worker / 64].fetch_or(0, std::memory_order_acquire) & bit_of(worker)) != 0;
    }

    /// Returns the first parked worker. It stays parked.
    [[nodiscard]] std::optional<unsigned> any_sleeper() const noexcept {
        for (unsigned i = 0; i < words(); ++i) {
            const auto bits = parked_[i].load(std::memory_order_relaxed);  // relaxed: leaves_parked() decides
            if (bits != 0) return i * 64 + static_cast<unsigned>(std::countr_zero(bits));
        }
        return std::nullopt;
    }

    /// Returns the number of workers that are not parked. May be out of date.
    [[nodiscard]] unsigned awake() const noexcept {
        // seq_cst: a store-load pair (Dekker). A watchdog that resigns clears its role in watchdog::resign(), then
        // loads the word here. A worker that starts to run changes the word, then loads the roles in
        // worker_set::wake_watchdog(). If both loads read the old values, the worker would run unwatched.
        return word_.load(std::memory_order_seq_cst) / awake_one;
    }
    [[nodiscard]] bool all_awake() const noexcept { return awake() >= count_; }
    [[nodiscard]] bool any_searching() const noexcept {
        // relaxed: a hint for notify_if_useful(), which may miss a wake-up.
        return searching(word_.load(std::memory_order_relaxed)) != 0;
    }

private:
    static constexpr std::uint32_t searching_one = 1;
    static constexpr std::uint32_t awake_one = 1u << 16;

    [[nodiscard]] static std::uint32_t searching(std::uint32_t word) noexcept { return word % awake_one; }
    [[nodiscard]] bool should_wake(std::uint32_t word) const noexcept {
        return searching(word) == 0 && word / awake_one < count_;
    }
    [[nodiscard]] static std::uint64_t bit_of(unsigned worker) noexcept { return std::uint64_t{1} << worker % 64; }
    [[nodiscard]] unsigned words() const noexcept { return (count_ + 63) / 64; }
    /// Clears the bit of the worker. Returns false if another thread has cleared it.
    bool leaves_parked(unsigned worker) noexcept {
        // acq_rel: a pusher publishes its push and its change of the word to is_parked() and to unpark_itself().
        return (parked_[worker / 64].fetch_and(~bit_of(worker), std::memory_order_acq_rel) & bit_of(worker)) != 0;
    }

    const std::uint32_t count_;
    atomic<std::uint32_t> word_;
    const std::unique_ptr<atomic<std::uint64_t>[]> parked_;
};

}  // namespace eddy::detail
