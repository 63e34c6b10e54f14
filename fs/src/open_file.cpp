// SPDX-License-Identifier: MIT
#include "open_file.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "sys/lock_calls.hpp"

namespace eddy::fs::detail {
namespace {

/// The last devices whose file systems could not tell what is in the page cache. Few programs use more; a file of
/// another one finds out again.
/// Thread safety: any thread.
class devices_without_cache {
public:
    [[nodiscard]] bool has(std::uint64_t device) noexcept {
        const std::lock_guard guard(lock_);
        return std::ranges::find(known(), device) != known().end();
    }
    void add(std::uint64_t device) noexcept {
        const std::lock_guard guard(lock_);
        if (std::ranges::find(known(), device) == known().end()) devices_[count_++ % devices_.size()] = device;
    }

private:
    std::span<const std::uint64_t> known() const noexcept {
        return std::span(devices_).first(std::min(count_, devices_.size()));
    }

    eddy::detail::mutex lock_;
    std::array<std::uint64_t, 16> devices_{};
    std::size_t count_ = 0;
};

devices_without_cache& known_devices() {
    static devices_without_cache known;
    return known;
}

}  // namespace

open_file::open_file(eddy::sys::unique_fd fd, std::filesystem::path path, const open_options& options,
                     const file_metadata& found, std::shared_ptr<lock_count> locks)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      options_(options),
      device_(found.device),
      first_size_(found.size),
      flags_(eddy::sys::status_flags_of(fd_.get())),
      locks_(locks ? std::move(locks) : std::make_shared<lock_count>()),
      // O_DIRECT reads no cache, and needs memory with an alignment, which a job has.
      reads_cached_(found.is_regular() && !flags_.is_direct && !known_devices().has(found.device)),
      writes_cached_(found.is_regular() && !flags_.is_direct && !flags_.is_synced && eddy::sys::is_local(fd_.get())) {}

void open_file::cannot_read_cached() noexcept {
    reads_cached_.store(false, std::memory_order_relaxed);  // see reads_cached()
    known_devices().add(device_);
}

eddy::result<void> open_file::close() noexcept {
    // relaxed: the load below acquires. end_use() sees the bit, as a read-modify-write reads the last value.
    if ((users_.fetch_or(closing, std::memory_order_relaxed) & closing) != 0)
        return std::unexpected(make_error_code(errc::closed));
    {
        std::unique_lock guard(lock_);
        // acquire: pairs with the release of end_use().
        unused_.wait(guard, [&] { return users_.load(std::memory_order_acquire) == closing; });
    }
    return eddy::sys::close_file(fd_.release());
}

eddy::result<bool> open_file::try_lock(bool is_exclusive) noexcept {
    // Under the mutex, so that no unlock() comes between the call and the count.
    const std::lock_guard guard(locks_->mutex);
    const auto locked = eddy::sys::try_lock(fd(), is_exclusive);
    if (locked && *locked) ++locks_->guards;
    return locked;
}

void open_file::unlock() noexcept {
    const std::lock_guard guard(locks_->mutex);
    if (--locks_->guards != 0) return;
    // The close of the last clone has released the lock.
    if (const use open(*this); open) eddy::sys::unlock(fd());
}

void open_file::wake_closer() noexcept {
    // The lock: close() has either not checked the count yet, or waits.
    const std::lock_guard guard(lock_);
    unused_.notify_all();
}

}  // namespace eddy::fs::detail
