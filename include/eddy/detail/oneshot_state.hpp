// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/waker.hpp>

// The state of a oneshot channel: all but the value.
//
//     bit  name       set by          cleared by     what it guards
//     0    complete   the sender      -              the value: the receiver's from then on, and the sender's before.
//                                                    Never set after `closed`: the value then stays the sender's.
//     1    closed     the receiver    -
//     2    rx_waits   the receiver    the receiver   the receiver's waker: taken by the sender who sets `complete`
//     3    tx_waits   the sender      the sender     the sender's waker, for closed(): taken by who sets `closed`
//     4    two_refs   at first        an end leaves  the storage: whoever finds it clear was the last
//
//          send(), or the sender is destroyed                  close(), or the receiver is destroyed
//     open ─────────────────────────────────> complete    open ──────────────────────────────────> closed
//                                                 └─ close() ─> complete and closed: there may be a value to take
//
// A waker's cell belongs to its owner while the `waits` bit is clear. Once the bit is set, the cell belongs to the one
// who makes the end (`complete`, `closed`), if it finds the bit set when it does. To take the cell back, the owner
// clears the bit, and looks whether the end came first: then the cell is lost to it for good. Each change is one
// read-modify-write, so the word has a single history.

namespace eddy::detail {

class EDDY_API oneshot_state {
public:
    oneshot_state() noexcept;
    oneshot_state(const oneshot_state&) = delete;
    oneshot_state& operator=(const oneshot_state&) = delete;

    // ---- The sender's side ----

    /// False if the receiver has closed before: the value, if any, is still the sender's.
    bool complete() noexcept;
    /// complete() and leave() in one step. False, and nothing is changed, if the receiver waits or has closed: then
    /// each has to be done by itself.
    [[nodiscard]] bool complete_and_leave() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    /// True if closed; else `waker` will be woken.
    [[nodiscard]] bool poll_closed(const waker& waker) noexcept;
    void stop_waiting_for_close() noexcept;

    // ---- The receiver's side ----

    /// Whether the sender has ended, with a value or without.
    [[nodiscard]] bool is_complete() const noexcept;
    /// True if complete, or closed so that it never will be; else `waker` will be woken.
    [[nodiscard]] bool poll_complete(const waker& waker) noexcept;
    /// Whether the sender had completed before.
    bool close() noexcept;

    // ---- Both ----

    /// Gives up an end's share. True for the last, who destroys the channel.
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
