// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <memory>

#include <eddy/result.hpp>

#include "reactor/drivers/driver.hpp"

namespace eddy::detail {

class ring_owner;
class ring_connection;
struct ring_tick;
struct send_buffer;

/// The contract of a completion transport: the optional part of an io_handle that moves the bytes of TCP connections
/// and accepts connections, beside the readiness driver. There is one: io_uring (uring.hpp); no_uring.cpp replaces it
/// in a build without liburing.
///
///     made -- enable() --> owned by a thread -- retire() --> retired
///
/// make() may be called on any thread. The other functions are called by the owner only, which is the thread that has
/// called enable().
template <class T>
concept completion_transport =
    requires(T by, ring_owner& owner, ring_connection& stream, send_buffer& slot, max_wait timeout, int fd) {
        { T::make(owner) } noexcept -> std::same_as<result<std::unique_ptr<T>>>;
        { by.owner() } noexcept -> std::same_as<ring_owner&>;
        // Makes this thread the owner. The transport's ticks also wait for the readiness driver and for its wake-ups:
        // the two descriptors.
        { by.enable(fd, fd) } noexcept -> std::same_as<result<void>>;
        // Runs one tick: submits, waits unless there is something to report, and passes the completions to their
        // connections.
        { by.tick(timeout) } noexcept -> std::same_as<result<ring_tick>>;
        // The next tick reports the readiness driver as ready.
        { by.look_at_epoll_again() } noexcept;
        // Submits the queued sends, without waiting.
        { by.flush() } noexcept;
        // Each of these returns false if it is not possible now.
        { by.receive(stream) } noexcept -> std::same_as<bool>;
        { by.stop(stream) } noexcept -> std::same_as<bool>;
        { by.stop_now(stream) } noexcept -> std::same_as<bool>;
        // Sends the buffer with the next submission.
        { by.queue(slot) } noexcept;
        // Ends all operations. Returns false if some of them end later, without a completion.
        { by.retire() } noexcept -> std::same_as<bool>;
    };

}  // namespace eddy::detail
