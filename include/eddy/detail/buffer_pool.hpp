// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The receive buffers of one loop, or of one thread without a loop. Taken on that thread, when there is something to put
/// into them; given back on any thread.
///
///     given back by       goes
///     the loop's thread   onto the plain list `free_`, or to malloc if that is full
///     another thread      onto `returned_`, lock-free, which the loop takes over as a whole when it runs out
///     anybody, after close()  to malloc; the last one out frees the pool, too
class buffer_pool {
public:
    static constexpr std::size_t buffer_size = 32 * 1024;

    /// A pool of the loop that runs on this thread.
    buffer_pool() noexcept;
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;

    /// A buffer of `buffer_size` bytes. Throws std::bad_alloc. On the loop's thread.
    [[nodiscard]] std::byte* take();

    /// Any thread.
    void give_back(std::byte* buffer) noexcept;

    /// The loop is gone: frees what is here, and the pool itself when the last lease has ended. On the loop's thread.
    void close() noexcept;

private:
    struct free_buffer {
        free_buffer* next;
    };

    ~buffer_pool() = default;

    void take_returned() noexcept;
    void keep(free_buffer& buffer) noexcept;
    void count_out(std::int64_t ended) noexcept;
    [[nodiscard]] free_buffer* closed() noexcept { return &closed_mark_; }

    const void* const owner_;
    // The loop's thread:
    free_buffer* free_ = nullptr;
    std::size_t free_count_ = 0;
    std::int64_t leased_ = 0;
    bool is_closed_ = false;
    // Any thread: the list above, or closed() for good.
    atomic<free_buffer*> returned_{nullptr};
    // Leases that have ended after close(), less those that were out then: zero when the last has ended.
    atomic<std::int64_t> ended_late_{0};
    free_buffer closed_mark_{nullptr};
};

/// The pool of the loop on this thread, or null.
[[nodiscard]] buffer_pool* current_buffer_pool() noexcept;

/// A pool of this thread's own, for receives off any loop. Throws std::bad_alloc.
[[nodiscard]] buffer_pool& thread_buffer_pool();

}  // namespace eddy::detail
