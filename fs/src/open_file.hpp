// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/open_calls.hpp"

namespace eddy::fs::detail {

/// The largest offset of a file.
inline constexpr std::uint64_t last_offset = std::numeric_limits<std::int64_t>::max();

/// What the clones of an open file share: the system gives all of them one lock together.
struct lock_count {
    eddy::detail::mutex mutex;
    std::size_t guards = 0;
};

/// An open descriptor, which an fs::file and the jobs of its operations share.
///
/// `users_` is a count of the calls that use the descriptor now, and the bit `closing`, which no further call passes.
/// close() waits until the count is 0. So the number is not closed, and reused for another file, under a call.
/// Thread safety: any thread.
class open_file : eddy::detail::immovable {
public:
    /// `locks` comes from the file of which this one is a clone, or is null.
    open_file(eddy::sys::unique_fd fd, std::filesystem::path path, const open_options& options,
              const file_metadata& found, std::shared_ptr<lock_count> locks);

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Whether writes go to the end, also because of a flag of open_options::custom_flags().
    [[nodiscard]] bool appends() const noexcept { return flags_.appends; }
    [[nodiscard]] bool is_direct() const noexcept { return flags_.is_direct; }
    [[nodiscard]] const open_options& options() const noexcept { return options_; }
    /// The size when the file was opened.
    [[nodiscard]] std::uint64_t first_size() const noexcept { return first_size_; }

    /// Whether a read may ask the page cache.
    // relaxed: a hint. A read that does not see a change only makes a call in vain.
    [[nodiscard]] bool reads_cached() const noexcept { return reads_cached_.load(std::memory_order_relaxed); }
    /// Remembers, for the whole file system, that it cannot tell what is in the page cache.
    void cannot_read_cached() noexcept;

    /// Whether a write only copies to the page cache, unless the disk is behind: a regular file of a local file system.
    [[nodiscard]] bool writes_cached() const noexcept { return writes_cached_; }

    /// A guard of a call that uses the descriptor. It is empty if the file is closed.
    class use : eddy::detail::immovable {
    public:
        explicit use(open_file& file) noexcept : file_(file), is_open_(file.begin_use()) {}
        ~use() { file_.end_use(); }
        explicit operator bool() const noexcept { return is_open_; }

    private:
        open_file& file_;
        const bool is_open_;
    };

    /// Waits for the calls that use the descriptor, and closes it.
    /// Errors: errc::closed if it was closed before; the errors of close(2).
    [[nodiscard]] eddy::result<void> close() noexcept;

    /// Asks for the lock. Returns whether it has it; then the caller must call unlock() once. A later call changes the
    /// kind of the lock.
    [[nodiscard]] eddy::result<bool> try_lock(bool is_exclusive) noexcept;
    /// Releases the lock if no other call of try_lock() needs it.
    void unlock() noexcept;
    [[nodiscard]] const std::shared_ptr<lock_count>& locks() const noexcept { return locks_; }

private:
    static constexpr std::uint32_t closing = 1;
    static constexpr std::uint32_t one_user = 2;

    // relaxed: close() does not touch the descriptor before the end_use() of a call that has not seen the bit.
    bool begin_use() noexcept { return (users_.fetch_add(one_user, std::memory_order_relaxed) & closing) == 0; }
    void end_use() noexcept {
        // release: pairs with the acquire in close().
        if (users_.fetch_sub(one_user, std::memory_order_release) == (one_user | closing)) wake_closer();
    }
    void wake_closer() noexcept;

    eddy::sys::unique_fd fd_;
    const std::filesystem::path path_;
    const open_options options_;
    const std::uint64_t device_;
    const std::uint64_t first_size_;
    const eddy::sys::status_flags flags_;
    const std::shared_ptr<lock_count> locks_;
    eddy::detail::atomic<bool> reads_cached_;
    const bool writes_cached_;
    eddy::detail::atomic<std::uint32_t> users_{0};
    eddy::detail::mutex lock_;
    eddy::detail::condition_variable unused_;
};

/// Charges the coop budget for bytes that were transferred on the thread of the task: a poll transfers about 2 MiB.
inline void charge(context& cx, std::size_t bytes) noexcept { eddy::detail::charge(cx, bytes, 16 * 1024); }

}  // namespace eddy::fs::detail
