// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "reactor/ring/send_buffer.hpp"

namespace eddy::detail {

class ring;

/// The send buffers of a ring.
///
///           queue()            submit()                 settle_taken()
///     none ---------> queued -----------> submitted ----------------------> none
///                                                     the kernel has taken the entry
///
/// A send has MSG_DONTWAIT and MSG_WAITALL, and its completion is skipped if it succeeds. With MSG_DONTWAIT, a send is
/// over when the enter() that submits it has taken it. Only a send that did not send everything leaves a completion:
/// MSG_WAITALL turns a short count into a failure. So the kernel reads a send buffer's bytes only during that system
/// call, as in send(2). The outcome is known once the completions of that call have been dispatched.
///
/// Thread safety: the ring's owner.
class ring_sends {
public:
    /// Queues the send buffer for the next submission. Takes over the caller's reference to the stream.
    /// Preconditions: slot.sender is set.
    void queue(send_buffer& slot) noexcept { queued_.push(slot); }
    /// Fills in an entry for each queued send buffer, as long as the ring has free entries.
    void submit(ring& by) noexcept;
    /// Settles the sends whose entries are before the position `taken`. Call it after all completions of these sends
    /// have been dispatched.
    void settle_taken(unsigned taken) noexcept;

    [[nodiscard]] bool has_queued() const noexcept { return queued_.first != nullptr; }
    [[nodiscard]] bool has_submitted() const noexcept { return submitted_.first != nullptr; }
    [[nodiscard]] bool is_empty() const noexcept { return !has_queued() && !has_submitted(); }
    /// Returns whether a task waits for a send that was submitted since the last call.
    [[nodiscard]] bool take_awaited() noexcept { return std::exchange(is_awaited_, false); }

private:
    static void settle(send_buffer& slot) noexcept;

    /// A FIFO queue of send buffers, linked by send_buffer::next.
    struct slot_queue {
        send_buffer* first = nullptr;
        send_buffer* last = nullptr;

        void push(send_buffer& slot) noexcept {
            slot.next = nullptr;
            (last != nullptr ? last->next : first) = &slot;
            last = &slot;
        }
        [[nodiscard]] send_buffer* pop() noexcept {
            send_buffer* const taken = first;
            if (taken == nullptr) return nullptr;
            first = taken->next;
            if (first == nullptr) last = nullptr;
            return taken;
        }
    };

    slot_queue queued_;
    slot_queue submitted_;
    bool is_awaited_ = false;
};

}  // namespace eddy::detail
