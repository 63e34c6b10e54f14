// SPDX-License-Identifier: MIT
#include <eddy/detail/buffer_home.hpp>

#include <new>
#include <utility>

#include "core/this_thread.hpp"

namespace eddy::detail {

buffer_home::buffer_home() noexcept : owner_(this_thread_mark()) {}

void buffer_home::set_owner() noexcept { owner_.store(this_thread_mark(), std::memory_order_relaxed); }

void buffer_home::give_back(std::byte* buffer) noexcept {
    if (owner_.load(std::memory_order_relaxed) == this_thread_mark()) {
        --leased_;
        return keep(buffer);
    }
    auto* const returned = ::new (buffer) returned_buffer{nullptr};
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

void buffer_home::take_returned() noexcept {
    // relaxed: a look, so that no read-modify-write is paid where nothing came; what is missed is found next time.
    if (returned_.load(std::memory_order_relaxed) == nullptr) return;
    // acquire: pairs with the release in give_back().
    returned_buffer* list = returned_.exchange(nullptr, std::memory_order_acquire);
    while (list != nullptr) {
        --leased_;
        keep(reinterpret_cast<std::byte*>(std::exchange(list, list->next)));
    }
}

void buffer_home::close() noexcept {
    // Nobody's from here on: what this thread still has comes back as from any other, and so it does on a later thread
    // that has the same mark.
    owner_.store(nullptr, std::memory_order_relaxed);
    // acq_rel: pairs with give_back(), in both directions: from here on it counts out.
    returned_buffer* list = returned_.exchange(closed(), std::memory_order_acq_rel);
    while (list != nullptr) {
        --leased_;
        discard(reinterpret_cast<std::byte*>(std::exchange(list, list->next)));
    }
    discard_kept();
    count_late(-leased_);  // the last thing here: with nothing out, it frees this
}

void buffer_home::count_late(std::int64_t ended) noexcept {
    // acq_rel: whoever frees it sees what the others did before.
    if (ended_late_.fetch_add(ended, std::memory_order_acq_rel) + ended == 0) delete this;
}

}  // namespace eddy::detail
