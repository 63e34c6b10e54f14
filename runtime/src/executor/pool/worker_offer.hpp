// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// The state by which a thread hands its worker over to another thread, for block_in_place.
///
///     bit  name           set by    cleared by                            meaning
///     0    is_offered     offer()   arrive(), arrive_at(), take_back()    another thread may take the worker over
///     1    is_expected    offer()   arrive(), arrive_at(), dismiss(),     a thread was requested that will call
///                                   dismiss_unless_offered()              arrive(); at most one at a time
///     2..  the number of offers until now
///
/// Both are in one word, so that a thread arrives and takes the worker over in one step. Between two steps, the poll
/// could take the worker back, offer it again and request a second thread. If that thread could not be started, the
/// worker would count as one without a thread although the first thread takes it over.
///
/// Most calls are short. So the requested thread takes over only an offer that it has seen twice (Go's sysmon does the
/// same with system calls), and waits some time for further offers, which then need to wake no thread.
/// Thread safety: any thread.
class worker_offer : immovable {
public:
    /// The state at a moment, for arrive_at().
    using sight = std::uint32_t;

    /// Offers the worker. Returns whether a thread is expected already. If not, the caller must request one, or call
    /// arrive() in its place.
    [[nodiscard]] bool offer() noexcept {
        auto before = word_.load(std::memory_order_relaxed);
        // release: pairs with the acquire in arrive(). The arriving thread sees the worker's plain members.
        while (!word_.compare_exchange_weak(before, (before | offered | expected) + one_offer,
                                            std::memory_order_release, std::memory_order_relaxed)) {
        }
        return (before & expected) != 0;
    }
    // relaxed: only compared. arrive_at() acquires.
    [[nodiscard]] sight look() const noexcept { return word_.load(std::memory_order_relaxed); }
    /// Takes the worker over if it is offered, by the same offer as at the moment of `seen`.
    [[nodiscard]] bool arrive_at(sight seen) noexcept {
        if ((seen & offered) == 0) return false;
        // acquire: pairs with the release in offer(), as in arrive().
        return word_.compare_exchange_strong(seen, seen & ~(offered | expected), std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }
    /// Takes the worker over if it is offered. Called by the thread that was requested, once. Returns true for at most
    /// one thread per offer.
    [[nodiscard]] bool arrive() noexcept {
        // acquire: pairs with the release in offer(). The arriving thread sees the worker's plain members.
        return (word_.fetch_and(~(offered | expected), std::memory_order_acquire) & offered) != 0;
    }
    /// Takes the worker back if it is offered. Called by a poll that has offered it. Meanwhile another thread may have
    /// taken it over, and a poll there may have offered it again: then it is taken from that poll.
    [[nodiscard]] bool take_back() noexcept {
        // acquire: pairs with the release in offer(), as in arrive().
        return (word_.fetch_and(~offered, std::memory_order_acquire) & offered) != 0;
    }
    /// Records that the requested thread will not arrive. Returns whether the worker is offered.
    [[nodiscard]] bool dismiss() noexcept {
        // relaxed: nothing is read through it. A thread that arrives later acquires from offer(), since this change
        // continues its release sequence.
        return (word_.fetch_and(~expected, std::memory_order_relaxed) & offered) != 0;
    }
    /// Same as dismiss(), but does nothing if the worker is offered.
    [[nodiscard]] bool dismiss_unless_offered() noexcept {
        auto before = word_.load(std::memory_order_relaxed);
        // relaxed: as in dismiss().
        while ((before & offered) == 0 &&
               !word_.compare_exchange_weak(before, before & ~expected, std::memory_order_relaxed)) {
        }
        return (before & offered) != 0;
    }

protected:
    ~worker_offer() = default;

private:
    static constexpr std::uint32_t offered = 1;
    static constexpr std::uint32_t expected = 2;
    static constexpr std::uint32_t one_offer = 4;

    atomic<std::uint32_t> word_{0};

    friend class pool_shutdown;
    bool is_left_ = false;  // under the lock of pool_shutdown: the worker is offered, and has no thread
};

}  // namespace eddy::detail
