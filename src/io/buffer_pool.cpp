// SPDX-License-Identifier: MIT
#include <eddy/detail/buffer_pool.hpp>

#include <new>
#include <utility>

#include "core/this_thread.hpp"

namespace eddy::detail {
namespace {

// What a loop keeps for the next receive: mostly one buffer is out at a time, and it is taken again while it is warm.
constexpr std::size_t most_kept = 32;

}  // namespace

buffer_pool::buffer_pool() noexcept : owner_(this_thread_mark()) {}

std::byte* buffer_pool::take() {
    if (free_ == nullptr) take_returned();
    std::byte* buffer = nullptr;
    if (free_ != nullptr) {
        --free_count_;
        buffer = reinterpret_cast<std::byte*>(std::exchange(free_, free_->next));
    } else {
        buffer = static_cast<std::byte*>(::operator new(buffer_size));
    }
    ++leased_;
    return buffer;
}

void buffer_pool::give_back(std::byte* buffer) noexcept {
    if (owner_ == this_thread_mark() && !is_closed_) {
        --leased_;
        return keep(*::new (buffer) free_buffer{nullptr});
    }
    auto* const returned = ::new (buffer) free_buffer{nullptr};
    free_buffer* head = returned_.load(std::memory_order_relaxed);
    do {
        if (head == closed()) {
            ::operator delete(buffer);
            return count_out(1);
        }
        returned->next = head;
        // release: pairs with the acquire in take_returned() and close().
    } while (!returned_.compare_exchange_weak(head, returned, std::memory_order_release, std::memory_order_relaxed));
}

void buffer_pool::take_returned() noexcept {
    // relaxed: a look, so that no read-modify-write is paid where nothing came; what is missed is found next time.
    if (returned_.load(std::memory_order_relaxed) == nullptr) return;
    // acquire: pairs with the release in give_back().
    free_buffer* list = returned_.exchange(nullptr, std::memory_order_acquire);
    while (list != nullptr) {
        --leased_;
        keep(*std::exchange(list, list->next));
    }
}

void buffer_pool::keep(free_buffer& buffer) noexcept {
    if (free_count_ == most_kept) return ::operator delete(&buffer);
    ++free_count_;
    buffer.next = std::exchange(free_, &buffer);
}

void buffer_pool::close() noexcept {
    is_closed_ = true;
    // acq_rel: pairs with give_back(), in both directions: from here on it counts out.
    free_buffer* list = returned_.exchange(closed(), std::memory_order_acq_rel);
    while (list != nullptr) {
        --leased_;
        ::operator delete(std::exchange(list, list->next));
    }
    while (free_ != nullptr) ::operator delete(std::exchange(free_, free_->next));
    count_out(-leased_);  // the last thing here: with nothing out, it frees the pool
}

void buffer_pool::count_out(std::int64_t ended) noexcept {
    // acq_rel: whoever frees the pool sees what the others did before.
    if (ended_late_.fetch_add(ended, std::memory_order_acq_rel) + ended == 0) delete this;
}

buffer_pool& thread_buffer_pool() {
    struct closed_with_its_thread {
        buffer_pool* const pool = new buffer_pool;
        ~closed_with_its_thread() { pool->close(); }
    };
    thread_local const closed_with_its_thread mine;
    return *mine.pool;
}

}  // namespace eddy::detail
