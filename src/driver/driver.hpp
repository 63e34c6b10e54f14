// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>

#include <eddy/io/interest.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/result.hpp>

// The contract of a driver: one event queue of an operating system. One file per system; CMake picks the files.
//
// A readiness driver (epoll, kqueue) watches descriptors and reports what they are ready for; the sockets in src/io
// call the system themselves, and wait here when it would block. A completing driver (io_uring) will take the
// operations instead: the sockets' poll_read, poll_write, poll_accept and poll_connect (detail/io_socket.hpp) are the
// only places that make these calls, so that is where it is asked.

namespace eddy::detail {

/// What a driver gives back of a source when it reports it: the address that watch() was given.
using source_key = void*;

/// No timeout means "until something happens".
using max_wait = std::optional<std::chrono::nanoseconds>;

/// What one turn of a driver did.
struct driver_turn {
    std::size_t events = 0;  ///< sources that reported something
    bool was_woken = false;
};

template <class D>
concept driver_like = requires(D d, int fd, source_key key, io::interest wanted, max_wait timeout) {
    // Any thread; fd stays open until unwatch(). Edge-triggered: what is the case already is reported, too.
    { d.watch(fd, key, wanted) } -> std::same_as<result<void>>;
    // Any thread; a turn in progress may still report the key.
    { d.unwatch(fd) } -> std::same_as<result<void>>;
    // One thread at a time; retries EINTR inside. Hands each event out as on_event(key, io::ready).
    {
        d.turn(timeout, [](source_key, io::ready) {})
    } -> std::same_as<result<driver_turn>>;
    // Any thread: ends the turn in progress, or the next one. Wakes that come before the turn looks count as one.
    { d.wake() } noexcept;
    // Before the first turn; then, by who is about to turn: ends a turn once the delay is over, and stays set until
    // then.
    { d.make_alarm() } -> std::same_as<result<void>>;
    { d.set_alarm(std::chrono::nanoseconds{}) } noexcept;
    { d.native_handle() } -> std::same_as<int>;
    // Gives back what it has of the system. Only wake() may be called at the same time or later, and does nothing then.
    { d.close() } noexcept;
};

}  // namespace eddy::detail
