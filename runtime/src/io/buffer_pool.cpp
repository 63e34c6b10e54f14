// SPDX-License-Identifier: MIT
#include "io/buffer_pool.hpp"

#include <new>
#include <utility>

#include "sys/thread_end.hpp"

namespace eddy::detail {
namespace {

// The number of free buffers that a pool keeps. Usually one buffer is leased at a time, and it is reused while it is in
// the processor's cache.
constexpr std::size_t most_kept = 32;

void close_pool(void* pool) noexcept {
    // SAFETY: thread_buffer_pool() passes a buffer_pool.
    static_cast<buffer_pool*>(pool)->close();
}

}  // namespace

std::byte* buffer_pool::take() {
    if (free_ == nullptr) take_returned();
    std::byte* buffer = nullptr;
    if (free_ != nullptr) {
        --free_count_;
        // SAFETY: free_ links free_buffer objects that keep() has constructed at the start of the pool's own buffers.
        buffer = reinterpret_cast<std::byte*>(std::exchange(free_, free_->next));
    } else {
        buffer = static_cast<std::byte*>(::operator new(buffer_size));
    }
    count_out();
    return buffer;
}

void buffer_pool::keep(std::byte* buffer) noexcept {
    if (free_count_ == most_kept) return discard(buffer);
    ++free_count_;
    free_ = ::new (buffer) free_buffer{free_};
}

void buffer_pool::discard_kept() noexcept {
    // SAFETY: as in take().
    while (free_ != nullptr) discard(reinterpret_cast<std::byte*>(std::exchange(free_, free_->next)));
}

buffer_pool& thread_buffer_pool() {
    static constinit thread_local buffer_pool* mine = nullptr;
    if (mine == nullptr) {
        mine = new buffer_pool;
        sys::at_thread_end<&close_pool>(mine);
    }
    return *mine;
}

}  // namespace eddy::detail
