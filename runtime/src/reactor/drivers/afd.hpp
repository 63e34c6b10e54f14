// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include <eddy/detail/atomic.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/drivers/tick_alarm.hpp"
#include "reactor/source/rearmed_io.hpp"

namespace eddy::detail {

/// The readiness driver for Windows: poll operations of the device AFD on an I/O completion port. AFD is the kernel's
/// part of Winsock. Its poll operation is not documented, but select(), mio, libuv and wepoll depend on it.
///
/// A poll operation completes once, when one of its conditions holds. So a condition is requested until it is reported,
/// as in poll_driver.
///
/// A socket has at most one operation in flight. If conditions are requested that it does not contain, it is cancelled,
/// and its completion starts the next one:
///
///                request                   request of more
///     no operation ───> in flight                ───> in flight, cancelled
///          ^  ^             │ completion                   │ completion
///          │  └─ none left ─┴──> in flight, if conditions are still requested
///          │                     ^                         │
///          │                     └─────────────────────────┘
///     unwatch(): cancelled; the completion destroys the operation
///
/// The kernel writes into the operation until its completion has arrived at the port. Therefore a source is destroyed
/// only then, also if it is no longer watched.
///
/// Thread safety: see readiness_driver. rearm() may be called on any thread.
/// Lifetime: does not move, because sources refer to it.
/// Cost: one system call for each start of an operation, and one for each tick.
class afd_driver final : public readiness_driver, public rearming_driver {
public:
    /// Creates a driver. One tick reports at most `events_per_tick` sources.
    /// Errors: what CreateIoCompletionPort() reports; std::errc::not_enough_memory.
    /// Preconditions: `events_per_tick` is not 0.
    [[nodiscard]] static result<std::unique_ptr<afd_driver>> make(std::size_t events_per_tick) noexcept;
    ~afd_driver() override;

    /// Watches the socket `fd`.
    /// Errors: file_exists if it is watched already; not_a_socket; not_enough_memory; what the system reports for a
    /// poll operation.
    [[nodiscard]] result<void> watch(int fd, source_key key, io::interest wanted) noexcept override;
    /// Changes what a watched socket is watched for. If a condition already holds, reports it once more.
    /// Errors: no_such_file_or_directory if it is not watched.
    [[nodiscard]] result<void> watch_again(int fd, source_key key, io::interest wanted) noexcept override;
    /// Stops watching `fd`.
    /// Errors: no_such_file_or_directory if it is not watched.
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
    using system_handle = void*;

    class source;
    struct completions;

    struct report {
        source_key key;
        io::ready what;
    };
    /// An open handle of AFD, and the number of sources that use it.
    struct device {
        system_handle handle;
        std::size_t sources;
    };

    explicit afd_driver(std::size_t events_per_tick);

    result<driver_tick> wait(max_wait timeout) noexcept;
    driver_tick collect() noexcept;
    void complete(source& done) noexcept;

    // Preconditions: lock_ is held.
    [[nodiscard]] result<std::size_t> device_with_room();
    [[nodiscard]] result<void> request(source& of, unsigned directions) noexcept;
    [[nodiscard]] result<void> start(source& of) noexcept;
    void post_failure(source& of) noexcept;
    void cancel(source& of) noexcept;
    void destroy(source& gone) noexcept;
    void drop(std::unique_ptr<source> dropped) noexcept;

    system_handle port_ = nullptr;
    atomic<bool> wake_is_due_{false};

    mutex lock_;
    // Guarded by lock_.
    std::unordered_map<int, std::unique_ptr<source>> sources_;  // the watched ones, by descriptor
    std::vector<device> devices_;
    std::size_t device_hint_ = 0;  // the device that a source was added to or removed from last
    std::size_t in_flight_ = 0;    // operations whose completions have not been collected
    bool is_closed_ = false;

    // Used only by the thread that runs a tick.
    std::unique_ptr<completions> completions_;
    std::vector<report> reports_;
    tick_alarm alarm_;
};

}  // namespace eddy::detail
