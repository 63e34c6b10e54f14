// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/mpsc_state.hpp>

#include <source_location>

#include <eddy/error.hpp>

namespace eddy::detail {

// ---- Bounded ----

nothing bounded_state::look(std::size_t head) const noexcept {
    // acquire: pairs with the release in give_back() and end_senders(). If the channel has ended, the receiver sees
    // what the senders did.
    const word now = word_.load(std::memory_order_acquire);
    if (tail_of(now) != head) return nothing::claimed;
    return has_ended(now) ? nothing::ended : nothing::waits;
}

/// Wakes the receiver if the channel has ended. Called whenever the last permit of a closed channel may have been
/// returned, because the receiver may wait for that.
void bounded_state::wake_if_ended() noexcept {
    // relaxed: the caller has already changed the word. A receiver that sets the mark later sees that change and does
    // not wait.
    word now = word_.load(std::memory_order_relaxed);
    if (!has_ended(now) || (now & mark) == 0) return;
    // acquire: pairs with the release in wait(); the waker is visible.
    now = word_.fetch_and(~mark, std::memory_order_acquire);
    if ((now & mark) == 0) return;
    waker receiver = std::move(rx_waker_);
    std::move(receiver).wake();
}

// ---- Unbounded ----

nothing unbounded_state::look(const mpsc_node& received) const noexcept {
    // acquire: pairs with the release in close(). If the channel has ended, the receiver sees what the senders did.
    const word now = last_.load(std::memory_order_acquire);
    if (!is_last(now, received)) return nothing::claimed;
    return (now & closed) != 0 ? nothing::ended : nothing::waits;
}

nothing unbounded_state::wait(const mpsc_node& received, const waker& wake) noexcept {
    // acquire, here and below: as in look().
    word now = last_.load(std::memory_order_acquire);
    if ((now & mark) != 0) [[unlikely]]
        now = last_.fetch_and(~mark, std::memory_order_acquire) & ~mark;
    if (!is_last(now, received)) return nothing::claimed;
    if ((now & closed) != 0) return nothing::ended;
    rx_waker_ = wake;
    // release: pairs with the acquire in push() and wake_if_ended(), which take the waker slot over.
    while (!last_.compare_exchange_weak(now, now | mark, std::memory_order_acq_rel, std::memory_order_acquire)) {
        if (!is_last(now, received)) return nothing::claimed;
        if ((now & closed) != 0) return nothing::ended;
    }
    return nothing::waits;
}

/// Wakes the receiver if it waits. Called after the channel was closed. If values are left in the list, the receiver
/// does not wait, so the mark is clear.
void unbounded_state::wake_if_ended() noexcept {
    // acquire: pairs with the release in wait(); the waker is visible.
    if ((last_.fetch_and(~mark, std::memory_order_acquire) & mark) == 0) return;
    waker receiver = std::move(rx_waker_);
    std::move(receiver).wake();
}

void throw_used_permit(std::source_location where) {
    throw misuse(
        "a permit sends one value, and this one is empty: it was used, released or moved from; reserve another one",
        where);
}

}  // namespace eddy::detail
