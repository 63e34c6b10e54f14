// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Where leased buffers come from and go back to: handed out on the owner's thread, given back on any thread.
///
///     given back by           goes
///     the owner's thread      to keep()
///     another thread          onto `returned_`, lock-free, which the owner takes over as a whole
///     anybody, after close()  to discard(); the last one out frees the home, too
class EDDY_API buffer_home {
public:
    buffer_home(const buffer_home&) = delete;
    buffer_home& operator=(const buffer_home&) = delete;

    /// `buffer` is where the buffer begins. Any thread.
    void give_back(std::byte* buffer) noexcept;

    /// The owner is gone: frees what is here, and this itself when the last buffer has come back. On the owner's
    /// thread, or when nobody is the owner any more.
    void close() noexcept;

protected:
    /// This thread is the owner.
    buffer_home() noexcept;
    virtual ~buffer_home() = default;
    void set_owner() noexcept;

    /// A buffer is here again. On the owner's thread.
    virtual void keep(std::byte* buffer) noexcept = 0;
    /// A buffer that nobody needs any more. Any thread.
    virtual void discard(std::byte* buffer) noexcept = 0;
    /// Discards what keep() has kept.
    virtual void discard_kept() noexcept = 0;

    // ---- The owner ----
    void count_out() noexcept { ++leased_; }
    void take_returned() noexcept;
    [[nodiscard]] std::int64_t leased() const noexcept { return leased_; }

private:
    struct returned_buffer {
        returned_buffer* next;
    };

    void count_late(std::int64_t ended) noexcept;
    [[nodiscard]] returned_buffer* closed() noexcept { return &closed_mark_; }

    // The thread's mark; null once it is closed. relaxed throughout: a thread compares it to its own mark only, which
    // only itself stores.
    atomic<const void*> owner_;
    // The owner's thread:
    std::int64_t leased_ = 0;
    // Any thread: a list, or closed() for good.
    atomic<returned_buffer*> returned_{nullptr};
    // Buffers that came back after close(), less those that were out then: zero when the last has come.
    atomic<std::int64_t> ended_late_{0};
    returned_buffer closed_mark_{nullptr};
};

}  // namespace eddy::detail
