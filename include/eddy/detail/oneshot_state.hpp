// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/waker.hpp>

// The state of a oneshot channel, without the value.
//
//     bit  name       set by          cleared by     what it guards
//     0    complete   the sender      -              the value: owned by the sender before, by the receiver after.
//                                                    Never set after `closed`: then the sender keeps the value.
//     1    closed     the receiver    -
//     2    rx_waits   the receiver    the receiver   the receiver's waker: taken by the sender when it sets `complete`
//     3    tx_waits   the sender      the sender     the sender's waker, for closed(): taken by the receiver when it
//                                                    sets `closed`
//     4    two_refs   initially       leave()        the storage: the end that finds the bit clear is the last
//
//          send(), or the sender is destroyed                  close(), or the receiver is destroyed
//     open ─────────────────────────────────> complete    open ──────────────────────────────────> closed
//                                                 └─ close() ─> complete and closed: there may be a value to take
//
// A waker slot belongs to its owner while its `waits` bit is clear. If the other end finds the bit set when it sets
// `complete` or `closed`, it takes over the slot. To take the slot back, the owner clears the bit and checks whether
// `complete` or `closed` was set first. In that case it must not access the slot again. Each change is one
// read-modify-write, so the word has a single history.

namespace eddy::detail {

/// The state of a oneshot channel, without the value: the state machine described above. The two ends share one object.
/// Thread safety: each end may be used by one thread at a time.
class EDDY_API oneshot_state {
public:
    oneshot_state() noexcept;
    oneshot_state(const oneshot_state&) = delete;
    oneshot_state& operator=(const oneshot_state&) = delete;

    // ---- The sender's side ----

    /// Publishes the value and wakes the receiver. Returns false if the receiver has closed: the sender keeps the
    /// value.
    bool complete() noexcept;
    /// Does complete() and leave() in one step. Returns false, without a change, if the receiver waits or has closed:
    /// then call complete() and leave().
    [[nodiscard]] bool complete_and_leave() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    /// Returns true if the receiver has closed. Otherwise stores `waker` to wake it.
    [[nodiscard]] bool poll_closed(const waker& waker) noexcept;
    /// Discards the waker that poll_closed() stored.
    void stop_waiting_for_close() noexcept;

    // ---- The receiver's side ----

    /// Returns whether the sender is done, with or without a value.
    [[nodiscard]] bool is_complete() const noexcept;
    /// Returns true if complete or closed. Otherwise stores `waker` to wake it.
    [[nodiscard]] bool poll_complete(const waker& waker) noexcept;
    /// Closes the channel and wakes the sender. Returns whether the sender had completed before.
    bool close() noexcept;

    // ---- Both ----

    /// Gives up this end's share. Returns true for the last end: it must destroy the channel.
    [[nodiscard]] bool leave() noexcept;

private:
    using word = std::uint32_t;

    bool wait_for(word end, word waits, waker& cell, const waker& waker) noexcept;
    bool take_back(word end, word waits) noexcept;

    atomic<word> bits_;
    waker rx_waker_;
    waker tx_waker_;
};

}  // namespace eddy::detail
