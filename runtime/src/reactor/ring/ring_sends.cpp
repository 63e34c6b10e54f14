// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_sends.hpp"

#include <sys/socket.h>

#include "reactor/ring/operation_tag.hpp"
#include "reactor/ring/ring.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"

namespace eddy::detail {

void ring_sends::submit(ring& by) noexcept {
    while (has_queued()) {
        io_uring_sqe* const entry = by.next_entry();
        if (entry == nullptr) return;
        send_buffer* const slot = queued_.pop();
        const auto bytes = slot->stream->begin_send(*slot, is_awaited_);
        if (bytes.empty()) {  // the stream has already sent it; the cleared entry is a no-op
            entry->flags = IOSQE_CQE_SKIP_SUCCESS;
            settle(*slot);
            continue;
        }
        ::io_uring_prep_send(entry, slot->stream->fd(), bytes.data(), bytes.size(),
                             MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
        entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
        entry->user_data = operation_tag(ring_operation::send, slot->stream).value;
        slot->position = by.position();
        submitted_.push(*slot);
    }
}

void ring_sends::settle_taken(unsigned taken) noexcept {
    // The kernel takes entries in order, so it has taken no entry after an untaken one.
    while (has_submitted() && ring::is_before(submitted_.first->position, taken)) settle(*submitted_.pop());
}

void ring_sends::settle(send_buffer& slot) noexcept {
    ring_connection& stream = *slot.stream;
    ring_reactor& owner = *slot.owner;
    switch (stream.settle(slot)) {
    case ring_connection::sent::all: break;
    case ring_connection::sent::rest: {
        const auto is_new = owner.sources().watch_more(stream, io::interest::writable);
        // If the descriptor was already watched, it may have become writable meanwhile, and that edge is not
        // reported again. So try to send now. Also try if it cannot be watched.
        if (!is_new || !*is_new) stream.report(io::ready::writable);
        // The event loop of the stream ended during the send and left the stream to the sending thread. No other
        // thread will close it.
        if (!is_new && stream.is_closing() && stream.give_up_now()) owner.finish_closing(stream);
        owner.sources().release();
        break;
    }
    case ring_connection::sent::close:
        owner.finish_closing(stream);
        owner.sources().release();
        break;
    }
    stream.release();  // the queue's reference
}

}  // namespace eddy::detail
