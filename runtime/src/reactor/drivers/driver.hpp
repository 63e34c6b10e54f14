// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>

#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/result.hpp>

#include "reactor/source/source_key.hpp"

// The contract of a readiness driver: one event queue of an operating system. There is one file per system; CMake picks
// the files.
//
// A readiness driver (epoll, kqueue, poll) watches descriptors and reports what they are ready for. The operations of a
// socket (eddy/detail/io_socket.hpp) make the system calls themselves and wait for the driver if a call would block.
//
// io_uring (reactor/ring/uring.hpp) does not implement this contract, but that of a completion transport
// (reactor/ring/completion_transport.hpp). It runs beside the epoll of an io_handle and completes the receives,
// accepts, and sends of TCP sockets. A socket picks its transport when it is registered (sockets/socket_transport.hpp).

namespace eddy::detail {

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

/// The operations of a readiness driver. Each comment names the threads that may call the operation.
template <class D>
concept driver_like = requires(D d, int fd, source_key key, io::interest wanted, max_wait timeout) {
    // Callable on any thread. `fd` stays open until unwatch(). Edge-triggered, but also reports a condition that
    // already holds.
    { d.watch(fd, key, wanted) } -> std::same_as<result<void>>;
    // Callable on any thread. `fd` is watched. If a condition already holds, reports it once more.
    { d.watch_again(fd, key, wanted) } -> std::same_as<result<void>>;
    // Callable on any thread. A driver tick in progress may still report the key.
    { d.unwatch(fd) } -> std::same_as<result<void>>;
    // One thread at a time. Retries after EINTR. Calls on_event(key, io::ready) for each event.
    {
        d.tick(timeout, [](source_key, io::ready) {})
    } -> std::same_as<result<driver_tick>>;
    // Callable on any thread. Ends the driver tick in progress, or the next one. Several wake-ups before that tick
    // count as one.
    { d.wake() } noexcept;
    // Call make_alarm() before the first tick. Call set_alarm() on the thread that is about to run a tick. The alarm
    // ends the tick that runs when the delay is over, or the next one. set_alarm() has no effect while an alarm is set.
    { d.make_alarm() } -> std::same_as<result<void>>;
    { d.set_alarm(std::chrono::nanoseconds{}) } noexcept;
    // Callable on any thread, after make_alarm(). Ends a tick as wake() does, now or at the latest after this time.
    { d.wake_within(std::chrono::nanoseconds{}) } noexcept;
    // A descriptor that is readable when a tick has something to report, or -1.
    { d.native_handle() } -> std::same_as<int>;
    // Closes the driver's descriptors. Only wake() and wake_within() may be called at the same time or later; they
    // then do nothing.
    { d.close() } noexcept;
};

}  // namespace eddy::detail
