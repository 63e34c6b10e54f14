// SPDX-License-Identifier: MIT
#include <eddy/sync/oneshot.hpp>

#include <utility>

namespace eddy::detail {
namespace {

constexpr std::uint32_t completed = 1;
constexpr std::uint32_t closed = 2;
constexpr std::uint32_t rx_waits = 4;
constexpr std::uint32_t tx_waits = 8;
constexpr std::uint32_t two_refs = 16;

/// Wakes the waker in the slot and leaves the slot empty.
void wake(waker& cell) noexcept {
    waker taken = std::move(cell);
    std::move(taken).wake();
}

}  // namespace

oneshot_state::oneshot_state() noexcept : bits_(two_refs) {}

void oneshot_state::throw_no_channel(bool has_sent, std::source_location where) {
    if (!has_sent) throw_empty("send()", "oneshot sender", "moved from", where);
    throw misuse("send() was called again on a oneshot sender, which sends one value: use an mpsc channel for more",
                 where);
}

bool oneshot_state::complete() noexcept {
    // relaxed load, also on failure of the exchange: if the channel is closed, nothing of the receiver is read.
    word now = bits_.load(std::memory_order_relaxed);
    do {
        if ((now & closed) != 0) return false;
        // release: pairs with the acquire in is_complete(), wait_for() and close(); the receiver sees the value.
        // acquire: pairs with the release in wait_for(); the receiver's waker is visible.
    } while (!bits_.compare_exchange_weak(now, now | completed, std::memory_order_acq_rel, std::memory_order_relaxed));
    if ((now & rx_waits) != 0) wake(rx_waker_);
    return true;
}

bool oneshot_state::complete_and_leave() noexcept {
    // relaxed load, also on failure of the exchange: it publishes no other data.
    word now = bits_.load(std::memory_order_relaxed);
    while ((now & (closed | rx_waits)) == 0) {
        // The channel is not closed, so the receiver exists and will be the last end. release: as in complete() and
        // leave(). No acquire: nothing of the receiver is read.
        const word after = (now | completed) & ~two_refs;
        if (bits_.compare_exchange_weak(now, after, std::memory_order_release, std::memory_order_relaxed)) return true;
    }
    return false;
}

bool oneshot_state::is_closed() const noexcept {
    // acquire: pairs with the release in close(); the sender sees what the receiver did before.
    return (bits_.load(std::memory_order_acquire) & closed) != 0;
}

bool oneshot_state::poll_closed(const waker& waker) noexcept { return wait_for(closed, tx_waits, tx_waker_, waker); }

void oneshot_state::stop_waiting_for_close() noexcept {
    if (take_back(closed, tx_waits)) tx_waker_ = waker();
}

bool oneshot_state::is_complete() const noexcept {
    // acquire: pairs with the release in complete(); the value is visible.
    return (bits_.load(std::memory_order_acquire) & completed) != 0;
}

bool oneshot_state::poll_complete(const waker& waker) noexcept {
    return wait_for(completed | closed, rx_waits, rx_waker_, waker);
}

bool oneshot_state::close() noexcept {
    if (take_back(completed, rx_waits)) rx_waker_ = waker();
    // release: pairs with the acquire in the sender's is_closed() and wait_for(). acquire: pairs with the release in
    // wait_for(), so that the sender's waker is visible, and in complete(), so that the value is visible.
    const word before = bits_.fetch_or(closed, std::memory_order_acq_rel);
    if ((before & (closed | tx_waits)) == tx_waits) wake(tx_waker_);
    return (before & completed) != 0;
}

bool oneshot_state::leave() noexcept {
    // acquire, here and below: pairs with the release below and in complete_and_leave(), for the end that destroys the
    // channel.
    if ((bits_.load(std::memory_order_acquire) & two_refs) == 0) return true;
    // release: what this end did with the channel happens before its destruction.
    return (bits_.fetch_and(~two_refs, std::memory_order_acq_rel) & two_refs) == 0;
}

/// Returns true if the `end` bit is set. Otherwise stores `waker` in `cell`, which then belongs to the thread that sets
/// the `end` bit.
bool oneshot_state::wait_for(word end, word waits, waker& cell, const waker& waker) noexcept {
    // acquire, here and below: pairs with the release of the thread that set the `end` bit.
    const word now = bits_.load(std::memory_order_acquire);
    if ((now & end) != 0) return true;
    if ((now & waits) != 0 && !take_back(end, waits)) return true;
    cell = waker;
    // release: pairs with the acquire in complete() and close(), which take the waker slot over.
    const word before = bits_.fetch_or(waits, std::memory_order_acq_rel);
    if ((before & end) == 0) return false;
    // The `end` bit was set first, by a thread that did not see the `waits` bit and so never touches the waker slot.
    cell = eddy::waker();
    return true;
}

/// Takes the waker slot back for the end that waits. Returns false if the `end` bit was set first: then the caller must
/// not touch the slot any more.
bool oneshot_state::take_back(word end, word waits) noexcept {
    // acquire: pairs with the release of the thread that set the `end` bit; the caller then sees what that thread
    // published. No reader depends on the release here: the next fetch_or() publishes the slot.
    return (bits_.fetch_and(~waits, std::memory_order_acq_rel) & end) == 0;
}

}  // namespace eddy::detail
