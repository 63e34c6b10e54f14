// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// The state that the copies and tokens of a task_tracker share.
///
///     word       bit 0: closed; the rest: the number of tokens
///     the rest   guarded by the lock
///
/// Thread safety: any thread.
/// Lifetime: reference counted.
class EDDY_API tracker_state {
public:
    tracker_state() noexcept = default;
    tracker_state(const tracker_state&) = delete;
    tracker_state& operator=(const tracker_state&) = delete;

    /// Adds a reference.
    void retain() noexcept { references_.add(); }
    /// Gives up a reference. Frees the state with the last one.
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    // acq_rel, all changes of the word: release publishes what was done under a token; acquire makes it visible to the
    // caller that finds the tracker closed and empty, and then wakes the waiters.

    /// Adds a token.
    void add() noexcept { word_.fetch_add(one, std::memory_order_acq_rel); }
    /// Removes a token. Wakes the waiters if the tracker is closed and this was the last token.
    void remove() noexcept {
        if (word_.fetch_sub(one, std::memory_order_acq_rel) == (closed | one)) tell();
    }
    /// Closes the tracker. Returns false if it was closed already.
    bool close() noexcept {
        const std::uint64_t before = word_.fetch_or(closed, std::memory_order_acq_rel);
        if (before == 0) tell();
        return (before & closed) == 0;
    }
    /// Reopens the tracker. Returns false if it was open already.
    bool reopen() noexcept { return (word_.fetch_and(~closed, std::memory_order_acq_rel) & closed) != 0; }

    [[nodiscard]] bool is_closed() const noexcept { return (word() & closed) != 0; }
    [[nodiscard]] std::size_t count() const noexcept { return static_cast<std::size_t>(word() / one); }
    [[nodiscard]] bool is_closed_and_empty() const noexcept { return word() == closed; }

    /// Returns how many times the tracker has become closed and empty.
    [[nodiscard]] std::uint64_t ends() noexcept;
    /// Returns whether the tracker has become closed and empty since ends() returned `seen`. Otherwise `wake` will be
    /// woken when it does.
    [[nodiscard]] bool poll_end(std::uint64_t seen, waiter& mine, const waker& wake) noexcept;
    /// Stops waiting.
    void leave(waiter& mine) noexcept;

private:
    static constexpr std::uint64_t closed = 1;
    static constexpr std::uint64_t one = 2;

    // acquire: pairs with the release in remove() and close(). The caller sees what was done under the tokens.
    [[nodiscard]] std::uint64_t word() const noexcept { return word_.load(std::memory_order_acquire); }
    /// Counts an end and wakes all waiters.
    void tell() noexcept;

    atomic<std::uint64_t> word_{0};
    ref_count<> references_;
    spin_lock lock_;
    std::uint64_t ends_ = 0;
    waiter_list<> waiters_;
};

/// A reference to a tracker_state.
using tracker_share = ref_ptr<tracker_state>;

}  // namespace eddy::detail
