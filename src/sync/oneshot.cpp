// SPDX-License-Identifier: MIT
#include <eddy/detail/oneshot_state.hpp>

#include <utility>

namespace eddy::detail {
namespace {

constexpr std::uint32_t completed = 1;
constexpr std::uint32_t closed = 2;
constexpr std::uint32_t rx_waits = 4;
constexpr std::uint32_t tx_waits = 8;
constexpr std::uint32_t two_refs = 16;

/// Wakes and drops what was in the cell, which is then empty.
void wake(waker& cell) noexcept {
    waker taken = std::move(cell);
    std::move(taken).wake();
}

}  // namespace

oneshot_state::oneshot_state() noexcept : bits_(two_refs) {}

bool oneshot_state::complete() noexcept {
    // relaxed, also below where it fails: if closed, nothing of the receiver's is read.
    word now = bits_.load(std::memory_order_relaxed);
    do {
        if ((now & closed) != 0) return false;
        // release: pairs with is_complete(), wait_for() and close(); the receiver sees the value.
        // acquire: pairs with wait_for(); the receiver's waker is seen.
    } while (!bits_.compare_exchange_weak(now, now | completed, std::memory_order_acq_rel, std::memory_order_relaxed));
    if ((now & rx_waits) != 0) wake(rx_waker_);
    return true;
}

bool oneshot_state::complete_and_leave() noexcept {
    word now = bits_.load(std::memory_order_relaxed);
    while ((now & (closed | rx_waits)) == 0) {
        // Not closed, so the receiver is there, and will be the last. release, as in complete() and leave(); no
        // acquire, since nothing of the receiver's is read.
        const word after = (now | completed) & ~two_refs;
        if (bits_.compare_exchange_weak(now, after, std::memory_order_release, std::memory_order_relaxed)) return true;
    }
    return false;
}

bool oneshot_state::is_closed() const noexcept {
    // acquire: pairs with the release in close(): who sees it closed sees what the receiver did before.
    return (bits_.load(std::memory_order_acquire) & closed) != 0;
}

bool oneshot_state::poll_closed(const waker& waker) noexcept { return wait_for(closed, tx_waits, tx_waker_, waker); }

void oneshot_state::stop_waiting_for_close() noexcept {
    if (take_back(closed, tx_waits)) tx_waker_ = waker();
}

bool oneshot_state::is_complete() const noexcept {
    // acquire: pairs with the release in complete(); the value is seen.
    return (bits_.load(std::memory_order_acquire) & completed) != 0;
}

bool oneshot_state::poll_complete(const waker& waker) noexcept {
    return wait_for(completed | closed, rx_waits, rx_waker_, waker);
}

bool oneshot_state::close() noexcept {
    if (take_back(completed, rx_waits)) rx_waker_ = waker();
    // release: pairs with is_closed() and wait_for() of the sender. acquire: pairs with wait_for(), so that the
    // sender's waker is seen, and with complete(), so that the value is.
    const word before = bits_.fetch_or(closed, std::memory_order_acq_rel);
    if ((before & (closed | tx_waits)) == tx_waits) wake(tx_waker_);
    return (before & completed) != 0;
}

bool oneshot_state::leave() noexcept {
    // acquire, twice: pairs with the release below and in complete_and_leave(), for the last.
    if ((bits_.load(std::memory_order_acquire) & two_refs) == 0) return true;
    // release: what this end did with the channel comes before its destruction.
    return (bits_.fetch_and(~two_refs, std::memory_order_acq_rel) & two_refs) == 0;
}

/// True if the `end` has come. If not, `cell` holds `waker`, and belongs to whoever makes the end.
bool oneshot_state::wait_for(word end, word waits, waker& cell, const waker& waker) noexcept {
    // acquire, here and below: pairs with the release of whoever made the end.
    const word now = bits_.load(std::memory_order_acquire);
    if ((now & end) != 0) return true;
    if ((now & waits) != 0 && !take_back(end, waits)) return true;
    cell = waker;
    // release: pairs with the acquire in complete() and close(), which take the cell over.
    const word before = bits_.fetch_or(waits, std::memory_order_acq_rel);
    if ((before & end) == 0) return false;
    // The end came first and did not see the bit, so it never looks at the cell.
    cell = eddy::waker();
    return true;
}

/// Makes the cell its owner's again. False if the `end` came first: then the cell is not to be touched any more.
bool oneshot_state::take_back(word end, word waits) noexcept {
    // acquire: pairs with the release of the end, after which the caller answers with what that published.
    return (bits_.fetch_and(~waits, std::memory_order_acq_rel) & end) == 0;
}

}  // namespace eddy::detail
