// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <eddy/detail/atomic.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/drivers/tick_alarm.hpp"
#include "reactor/drivers/wake_pipe.hpp"
#include "reactor/source/rearmed_io.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// The readiness driver for any POSIX system: poll(2).
///
/// poll(2) is level-triggered, so this driver keeps the set of descriptors and requests each condition until it is
/// reported once:
///
///                watch()             reported by a tick
///     not watched ───> requested ────────────────────────> not requested
///                          ^                                    │
///                          └── rearm(), after a call would ─────┘
///                              block; watch_again()
///
/// For each watched direction, either its conditions are requested, or the readiness word of the source contains one of
/// them. So no event is lost, and none is reported twice. While no condition of a descriptor is requested, the
/// descriptor is negative in the set: otherwise poll(2) would report its errors and hang-ups in each tick.
///
/// Thread safety: see readiness_driver. rearm() may be called on any thread.
/// Lifetime: does not move, because sources refer to it.
/// Cost: a tick takes time in proportion to the number of watched descriptors. If a tick sleeps, watch() and rearm() on
/// another thread interrupt it.
class poll_driver final : public readiness_driver, public rearming_driver {
public:
    /// Creates a driver. One tick reports at most `events_per_tick` sources.
    /// Errors: what pipe(2) reports; std::errc::not_enough_memory.
    /// Preconditions: `events_per_tick` is not 0.
    [[nodiscard]] static result<std::unique_ptr<poll_driver>> make(std::size_t events_per_tick) noexcept;

    /// Watches `fd`.
    /// Errors: file_exists if it is watched already; operation_not_permitted for a regular file or a directory;
    /// bad_file_descriptor; not_enough_memory. (The same errors as epoll_ctl(2).)
    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) noexcept override;
    /// Changes what a watched descriptor is watched for. If a condition already holds, reports it once more.
    /// Errors: no_such_file_or_directory if it is not watched.
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) noexcept override;
    /// Stops watching `fd`.
    /// Errors: no_such_file_or_directory if it is not watched; bad_file_descriptor if it was closed.
    result<void> unwatch(int fd) noexcept override;
    /// Requests conditions again that a caller has cleared. Does nothing if `fd` is no longer watched with this key.
    void rearm(int fd, source_key key, io::ready cleared) noexcept override;

    [[nodiscard]] rearming_driver* rearming() noexcept override { return this; }

    result<driver_tick> tick(max_wait timeout) override;
    /// Ends the tick in progress, or the next one. Any thread, also after close().
    void wake() noexcept override;
    /// The alarm is a part of the timeout of each tick.
    void set_alarm(std::chrono::nanoseconds delay) noexcept override { alarm_.set(delay); }
    void close() noexcept override;

private:
    /// Descriptors and their keys, in the same order. poll(2) requires an array of pollfd.
    struct poll_set {
        std::vector<pollfd> fds;
        std::vector<source_key> keys;

        [[nodiscard]] std::size_t size() const noexcept { return fds.size(); }
        void reserve(std::size_t count) {
            fds.reserve(count);
            keys.reserve(count);
        }
        void remove(std::size_t place) noexcept {
            fds[place] = fds.back();
            keys[place] = keys.back();
            fds.pop_back();
            keys.pop_back();
        }
    };

    poll_driver(std::size_t events_per_tick, wake_pipe&& wakes);

    result<driver_tick> wait(max_wait timeout) noexcept;
    void prepare() noexcept;
    driver_tick collect() noexcept;
    [[nodiscard]] bool take_wake() noexcept;
    static io::ready ready_of(short reported) noexcept;

    // Preconditions: lock_ is held.
    [[nodiscard]] std::size_t place_of(int fd) const noexcept;
    void ask_for(std::size_t place, short events) noexcept;
    void interrupt() noexcept;

    const std::size_t events_per_tick_;
    const sys::process_mark process_;
    wake_pipe wakes_;
    atomic<bool> wake_is_due_{false};

    mutex lock_;
    // Guarded by lock_. Index 0 is the wake pipe.
    poll_set set_;
    std::vector<short> wanted_;          // what each descriptor of set_ is watched for
    std::vector<std::uint32_t> places_;  // by descriptor: its index in set_, or 0
    std::size_t tick_capacity_ = 1;      // of polled_
    poll_set spare_;                     // replaces polled_ in the next tick, if polled_ has too little capacity
    bool is_waiting_ = false;
    bool is_closed_ = false;

    // Used only by the thread that runs a tick.
    poll_set polled_;       // a copy of set_, with the reports of poll(2)
    std::size_t last_ = 0;  // the index of the source that was reported last
    tick_alarm alarm_;
};

}  // namespace eddy::detail
