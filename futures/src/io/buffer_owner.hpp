// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// A buffer owner: the pool that leased buffers return to. Buffers are leased on the owner thread and returned on any
/// thread.
///
///     returned by                effect
///     the owner thread           keep()
///     another thread             pushed onto the lock-free list `returned_`, which the owner thread takes as a whole
///     any thread, after close()  discard(); the return of the last buffer frees the buffer owner
///
/// Thread safety: give_back() on any thread; the other members on the owner thread, unless they say otherwise.
/// Lifetime: a leased buffer keeps its buffer owner alive, also after close().
class buffer_owner : immovable {
public:
    /// Returns a leased buffer. `buffer` is the first byte of the buffer, not of its data. Callable on any thread.
    void give_back(std::byte* buffer) noexcept;

    /// Frees the kept buffers, and the buffer owner itself when the last leased buffer has returned. Call it once, on
    /// the owner thread or when no thread is the owner any more.
    void close() noexcept;

protected:
    /// Makes this thread the owner thread.
    buffer_owner() noexcept;
    virtual ~buffer_owner() = default;
    /// Makes this thread the owner thread.
    void set_owner() noexcept;

    /// Stores a returned buffer for reuse. Only on the owner's thread.
    virtual void keep(std::byte* buffer) noexcept = 0;
    /// Frees a buffer. Callable on any thread.
    virtual void discard(std::byte* buffer) noexcept = 0;
    /// Frees the buffers that keep() has stored. Called by close().
    virtual void discard_kept() noexcept = 0;

    // ---- On the owner thread ----

    /// Counts a buffer as leased.
    void count_out() noexcept { ++leased_; }
    /// Calls keep() for each buffer that other threads have returned.
    void take_returned() noexcept;
    /// Returns the number of leased buffers, including returned ones that take_returned() has yet to collect.
    [[nodiscard]] std::int64_t leased() const noexcept { return leased_; }

private:
    struct returned_buffer {
        returned_buffer* next;
    };

    void count_late(std::int64_t ended) noexcept;
    [[nodiscard]] returned_buffer* closed() noexcept { return &closed_mark_; }

    // The owner thread's mark; null once closed. relaxed throughout: a thread compares it only to its own mark, which
    // no other thread stores.
    atomic<const void*> owner_;
    // Accessed on the owner thread only.
    std::int64_t leased_ = 0;
    // A list, newest first; closed() permanently after close(). Any thread may use it.
    atomic<returned_buffer*> returned_{nullptr};
    // The number of buffers returned after close(), minus the number that was leased at close(). The change that makes
    // it zero frees the buffer owner.
    atomic<std::int64_t> ended_late_{0};
    returned_buffer closed_mark_{nullptr};
};

}  // namespace eddy::detail
