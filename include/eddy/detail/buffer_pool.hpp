// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/detail/buffer_home.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// The receive buffers of one loop, or of one thread without a loop, from malloc: taken when there is something to put
/// into them.
class EDDY_API buffer_pool final : public buffer_home {
public:
    static constexpr std::size_t buffer_size = 32 * 1024;

    /// A pool of the loop that runs on this thread.
    buffer_pool() noexcept = default;

    /// A buffer of `buffer_size` bytes. Throws std::bad_alloc. On the loop's thread.
    [[nodiscard]] std::byte* take();

private:
    struct free_buffer {
        free_buffer* next;
    };

    void keep(std::byte* buffer) noexcept override;
    void discard(std::byte* buffer) noexcept override { ::operator delete(buffer); }
    void discard_kept() noexcept override;

    // The loop's thread:
    free_buffer* free_ = nullptr;
    std::size_t free_count_ = 0;
};

/// The pool of the loop on this thread, or null.
[[nodiscard]] EDDY_API buffer_pool* current_buffer_pool() noexcept;

/// A pool of this thread's own, for receives off any loop. Throws std::bad_alloc.
[[nodiscard]] EDDY_API buffer_pool& thread_buffer_pool();

}  // namespace eddy::detail
