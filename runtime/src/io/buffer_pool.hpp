// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "io/buffer_owner.hpp"

namespace eddy::detail {

/// The receive buffers of one event loop, or of one thread without an event loop. A buffer is taken only when there is
/// data to receive, so an idle connection holds none.
/// Thread safety: same as buffer_owner.
/// Cost: up to 32 free buffers are kept; more are allocated and freed with operator new and delete.
class buffer_pool final : public buffer_owner {
public:
    /// In bytes.
    static constexpr std::size_t buffer_size = 32 * 1024;

    /// Creates a pool that this thread owns.
    buffer_pool() noexcept = default;

    /// Returns a buffer of `buffer_size` bytes. Only on the owner's thread.
    /// Errors: throws std::bad_alloc.
    [[nodiscard]] std::byte* take();

private:
    struct free_buffer {
        free_buffer* next;
    };

    void keep(std::byte* buffer) noexcept override;
    void discard(std::byte* buffer) noexcept override { ::operator delete(buffer); }
    void discard_kept() noexcept override;

    // Accessed on the owner thread only.
    free_buffer* free_ = nullptr;
    std::size_t free_count_ = 0;
};

/// Returns the pool of the event loop that runs on this thread, or null.
[[nodiscard]] buffer_pool* current_buffer_pool() noexcept;

/// Returns this thread's own pool, for receives outside of any event loop. The pool is closed when the thread ends.
/// Errors: throws std::bad_alloc.
[[nodiscard]] buffer_pool& thread_buffer_pool();

}  // namespace eddy::detail
