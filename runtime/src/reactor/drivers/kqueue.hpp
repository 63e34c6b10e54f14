// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <eddy/detail/atomic.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/drivers/tick_alarm.hpp"
#include "reactor/drivers/wake_pipe.hpp"
#include "sys/fd.hpp"
#include "sys/fork.hpp"

struct kevent;

namespace eddy::detail {

/// The readiness driver for macOS, FreeBSD, NetBSD and OpenBSD: kqueue(2), edge-triggered (EV_CLEAR).
///
/// A kqueue has one filter per direction: a descriptor that is watched for reading and writing has two. A change is a
/// system call with one record per filter. EV_RECEIPT makes the kernel return the result of each record, and no events.
///
///     caller                what it does                            guarded by
///     watch(), unwatch()    change watched_ and the filters         lock_, also during the system call
///     wake(), close()       trigger the filter of the wake-ups      lock_
///     the tick              waits without a lock; then reads the    lock_
///                           keys in broken_pipes_
///
/// Kernel behavior that callers must know:
///  - close(2) removes the filters of a descriptor, but not its key here. Remove a source before closing it.
///  - A forked child does not have the kqueue. Its number may belong to another file, so the child does not close it.
///  - A pipe whose other end is closed may have no filter for writing (EPIPE). The driver then reports `write_closed`.
///  - Out-of-band data has a filter on macOS and OpenBSD only. Elsewhere, io::interest::priority reports nothing.
///  - The kernel accepts regular files, which epoll refuses. The driver refuses them.
///
/// Thread safety: see readiness_driver.
class kqueue_driver final : public readiness_driver {
public:
    /// Creates a kqueue of which one tick fetches at most `events_per_tick` events. Further events stay in the kernel.
    /// Errors: what kqueue(2) and kevent(2) report; std::errc::not_enough_memory.
    /// Preconditions: `events_per_tick` is not 0.
    [[nodiscard]] static result<std::unique_ptr<kqueue_driver>> make(std::size_t events_per_tick) noexcept;
    ~kqueue_driver() override;

    /// Watches `fd`.
    /// Errors: file_exists if it is watched already; operation_not_permitted for a regular file or a directory;
    /// bad_file_descriptor; not_enough_memory; not_supported if `wanted` is `priority` alone and the system has no such
    /// filter; what kevent(2) reports for a filter. After an error nothing is watched.
    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) noexcept override;
    /// Changes what a watched descriptor is watched for. If a condition already holds, reports it once more.
    /// Errors: no_such_file_or_directory if it is not watched; what kevent(2) reports for a filter.
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) noexcept override;
    /// Stops watching `fd`.
    /// Errors: no_such_file_or_directory if it is not watched; bad_file_descriptor if it was closed.
    result<void> unwatch(int fd) noexcept override;

    result<driver_tick> tick(max_wait timeout) override;
    /// Ends the tick in progress, or the next one. Any thread, also after close().
    void wake() noexcept override;
    /// The alarm is a part of the timeout of each tick.
    void set_alarm(std::chrono::nanoseconds delay) noexcept override { alarm_.set(delay); }
    /// Returns the descriptor of the kqueue; -1 after close().
    [[nodiscard]] int native_handle() const noexcept override { return queue_.get(); }
    void close() noexcept override;

private:
    /// The key and the interest of a watched descriptor. The entry of a descriptor that is not watched has no key.
    struct watched_fd {
        source_key key = nullptr;
        io::interest wanted = io::interest::readable;
    };
    /// An event that a tick reports to its source.
    struct report {
        source_key key;
        io::ready what;
    };

    explicit kqueue_driver(std::size_t events_per_tick);

    [[nodiscard]] result<void> make_wake_filter() noexcept;
    void trigger() noexcept;
    result<driver_tick> wait(max_wait timeout) noexcept;
    [[nodiscard]] driver_tick collect(std::size_t fetched) noexcept;
    void collect_broken_pipes() noexcept;
    void pass_on(source_key key, io::ready what) noexcept;

    // Preconditions: lock_ is held.
    [[nodiscard]] watched_fd* find(int fd) noexcept;
    [[nodiscard]] result<void> change_filters(int fd, source_key key, std::optional<io::interest> before,
                                              std::optional<io::interest> wanted) noexcept;

    const sys::process_mark process_;
    sys::unique_fd queue_;
    wake_pipe wakes_;  // if the system has no EVFILT_USER
    atomic<bool> wake_is_due_{false};

    mutex lock_;
    // Guarded by lock_.
    std::vector<watched_fd> watched_;  // by descriptor
    std::vector<int> broken_pipes_;    // descriptors without a filter for writing, which the next tick reports
    bool is_closed_ = false;

    // Used only by the thread that runs a tick.
    std::vector<struct kevent> events_;
    std::vector<report> reports_;
    tick_alarm alarm_;
};

}  // namespace eddy::detail
