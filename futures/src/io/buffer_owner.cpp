// SPDX-License-Identifier: MIT
#include "io/buffer_owner.hpp"

#include <new>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/io/leased_buffer.hpp>

namespace eddy::detail {

buffer_owner::buffer_owner() noexcept : owner_(this_thread_mark()) {}

// relaxed, as each access of owner_: a thread only compares it with its own mark, which only that thread stores.
void buffer_owner::set_owner() noexcept { owner_.store(this_thread_mark(), std::memory_order_relaxed); }

void buffer_owner::give_back(std::byte* buffer) noexcept {
    if (owner_.load(std::memory_order_relaxed) == this_thread_mark()) {
        --leased_;
        return keep(buffer);
    }
    // SAFETY: the lease has ended, so this thread owns the buffer until the exchange below passes it to the list.
    auto* const returned = ::new (buffer) returned_buffer{nullptr};
    // relaxed: the pointer is only compared and linked.
    returned_buffer* head = returned_.load(std::memory_order_relaxed);
    do {
        if (head == closed()) {
            discard(buffer);
            return count_late(1);
        }
        returned->next = head;
        // release: pairs with the acquire in take_returned() and close().
    } while (!returned_.compare_exchange_weak(head, returned, std::memory_order_release, std::memory_order_relaxed));
}

void give_back(buffer_owner& owner, std::byte* buffer) noexcept { owner.give_back(buffer); }

void buffer_owner::take_returned() noexcept {
    // relaxed: avoids the read-modify-write if no buffer was returned. A buffer that this load misses is found next
    // time.
    if (returned_.load(std::memory_order_relaxed) == nullptr) return;
    // acquire: pairs with the release in give_back().
    returned_buffer* list = returned_.exchange(nullptr, std::memory_order_acquire);
    // SAFETY: each element was constructed by give_back() at the start of its buffer, and this thread now owns the
    // list.
    while (list != nullptr) {
        --leased_;
        keep(reinterpret_cast<std::byte*>(std::exchange(list, list->next)));
    }
}

void buffer_owner::close() noexcept {
    // From here on there is no owner thread. Buffers that this thread still leases are returned as if by another
    // thread, also on a later thread that gets the same mark.
    // relaxed: see set_owner().
    owner_.store(nullptr, std::memory_order_relaxed);
    // acquire: pairs with the release in give_back(). A give_back() that sees closed() synchronizes in count_late().
    returned_buffer* list = returned_.exchange(closed(), std::memory_order_acq_rel);
    // SAFETY: as in take_returned().
    while (list != nullptr) {
        --leased_;
        discard(reinterpret_cast<std::byte*>(std::exchange(list, list->next)));
    }
    discard_kept();
    count_late(-leased_);  // must be last: frees this object if no buffer is leased
}

void buffer_owner::count_late(std::int64_t ended) noexcept {
    // acq_rel: the thread that frees the object sees what all other threads did with it before.
    if (ended_late_.fetch_add(ended, std::memory_order_acq_rel) + ended == 0) delete this;
}

}  // namespace eddy::detail
