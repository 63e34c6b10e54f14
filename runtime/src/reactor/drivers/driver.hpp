// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/source/source_key.hpp"

// The contract of a readiness driver: one event queue of an operating system. There is one file per system; CMake picks
// the files.
//
// A readiness driver (epoll, kqueue, AFD, poll) watches descriptors and reports what they are ready for. The operations
// of a socket (eddy/net/detail/io_socket.hpp) make the system calls themselves and wait for the driver if a call would
// block.
//
// io_uring (reactor/ring/uring.hpp) does not implement this contract. It runs beside the epoll of an io_handle and
// completes the receives, accepts, and sends of TCP sockets (reactor/ring/ring_reactor.hpp).

namespace eddy::detail {

class rearming_driver;

/// The longest time to wait. No value means: wait until an event occurs.
using max_wait = std::optional<std::chrono::nanoseconds>;

/// Returns the shorter one of two waits.
[[nodiscard]] inline max_wait shorter(max_wait a, max_wait b) noexcept {
    if (a && b) return std::min(*a, *b);
    return a ? a : b;
}

/// The default for the number of events that one tick reports.
inline constexpr std::size_t default_events_per_tick = 1024;

/// The outcome of one driver tick.
struct driver_tick {
    std::size_t events = 0;  ///< sources that reported something
    bool was_woken = false;
};

/// What a ring needs of the driver beside which it runs.
class ring_partner {
public:
    /// Returns whether the last tick fetched as many events as it may, so that there may be more.
    [[nodiscard]] virtual bool was_full() const noexcept = 0;
    /// Sets whether a wake-up ends the ticks of the driver. Pass false while a ring watches waker_handle(). Call this
    /// only on the thread that is about to run a tick.
    virtual void enable_wake_ups(bool enabled) const noexcept = 0;
    /// The descriptor that wake() writes to.
    [[nodiscard]] virtual int waker_handle() const noexcept = 0;
    /// Records that a wake-up was received: the next wake() writes to the descriptor again.
    virtual void take_wake() noexcept = 0;

protected:
    ~ring_partner() = default;
};

/// A readiness driver.
/// Thread safety: each comment names the threads that may call the function.
class readiness_driver : immovable {
public:
    /// Creates the driver for `kind`: io_uring runs beside an epoll. One tick reports about `events_per_tick` events.
    /// Errors: any error of the driver's make(); driver_unavailable if the system does not have that driver.
    /// Preconditions: `events_per_tick` is not 0.
    [[nodiscard]] static result<std::unique_ptr<readiness_driver>> make(driver_kind kind,
                                                                        std::size_t events_per_tick) noexcept;
    virtual ~readiness_driver() = default;

    /// Callable on any thread. `fd` stays open until unwatch(). Edge-triggered, but also reports a condition that
    /// already holds.
    [[nodiscard]] virtual result<void> watch(int fd, source_key key, io::interest wanted) noexcept = 0;
    /// Callable on any thread. `fd` is watched. If a condition already holds, reports it once more.
    [[nodiscard]] virtual result<void> watch_again(int fd, source_key key, io::interest wanted) noexcept = 0;
    /// Callable on any thread. A driver tick in progress may still report the key.
    virtual result<void> unwatch(int fd) noexcept = 0;

    /// One thread at a time. Retries after EINTR. Reports each event to its source, which may run user-provided wakers.
    virtual result<driver_tick> tick(max_wait timeout) = 0;
    /// Callable on any thread. Ends the driver tick in progress, or the next one. Several wake-ups before that tick
    /// count as one.
    virtual void wake() noexcept = 0;

    /// Call make_alarm() before the first tick. Call set_alarm() on the thread that is about to run a tick. The alarm
    /// ends the tick that runs when the delay is over, or the next one. set_alarm() has no effect while an alarm is
    /// set.
    [[nodiscard]] virtual result<void> make_alarm() noexcept { return ok(); }
    virtual void set_alarm(std::chrono::nanoseconds delay) noexcept = 0;
    /// Callable on any thread, after make_alarm(). Ends a tick as wake() does, now or at the latest after this time.
    /// The default is for a driver whose timeout another thread cannot change.
    virtual void wake_within(std::chrono::nanoseconds) noexcept { wake(); }

    /// A descriptor that is readable when a tick has something to report, or -1.
    [[nodiscard]] virtual int native_handle() const noexcept { return -1; }
    /// Closes the driver's descriptors. Only wake() and wake_within() may be called at the same time or later; they
    /// then do nothing.
    virtual void close() noexcept = 0;

    /// Returns the driver if it must be told which conditions were cleared, else null.
    [[nodiscard]] virtual rearming_driver* rearming() noexcept { return nullptr; }
    /// Returns the driver if a ring can run beside it, else null.
    [[nodiscard]] virtual ring_partner* beside_ring() noexcept { return nullptr; }
};

}  // namespace eddy::detail
