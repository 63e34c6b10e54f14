// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <source_location>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_owner.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy {

/// Runs a C library whose descriptors and timer belong to an event loop of the application: libcurl, hiredis, libpq,
/// c-ares. The library says which descriptors it waits for, in a callback that calls watch() and unwatch(). The object
/// calls the library when one of them is ready. With libcurl:
///
///     eddy::fd_callbacks events([&](int fd, eddy::io::ready) { curl_multi_socket_action(multi, fd, 0, &running); },
///                               [&] { curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running); });
///     // in the callback for CURLMOPT_SOCKETFUNCTION, and in that for CURLMOPT_TIMERFUNCTION:
///     events.watch(fd, eddy::io::interest::readable);
///     events.set_timer(std::chrono::milliseconds(timeout));
///
/// Descriptors are level-triggered: a descriptor is reported again for as long as the condition holds. So the library
/// need not read until EAGAIN. The two functions are called by one task, one at a time. They may call all members.
///
/// Declare the object before the handle of the library, so that callbacks of the library's cleanup find it. If a
/// function throws, the object calls no more functions; the exception is passed to on_uncaught(), or printed.
/// Errors: ends the process with a message if one of the functions destroys the object.
/// Thread safety: one event loop (`core`). On a runtime with several workers the task may run beside the caller.
/// Lifetime: the destructor destroys the task. Descriptors stay open.
/// Cost: an event polls each watched descriptor once, and calls poll(2) for those that may be ready.
class EDDY_API fd_callbacks {
public:
    /// Calls `on_ready(fd, conditions)` for descriptors, and `on_timer()` after the time of set_timer().
    /// Errors: throws `misuse` if no event loop runs on this thread.
    explicit fd_callbacks(std::function<void(int, io::ready)> on_ready, std::function<void()> on_timer = {},
                          std::source_location where = std::source_location::current());
    fd_callbacks(const fd_callbacks&) = delete;
    fd_callbacks& operator=(const fd_callbacks&) = delete;
    /// Watches no descriptors any more.
    ~fd_callbacks();

    /// Reports `fd` while one of the conditions `wanted` holds. Replaces the conditions if it is watched already. End
    /// of stream and errors are reported, too: as readable and writable.
    /// Errors: throws std::system_error with the errors of registration::attach(), for example for a regular file.
    /// Preconditions: `fd` is in non-blocking mode.
    /// Lifetime: call unwatch() before the descriptor is closed.
    void watch(int fd, io::interest wanted, std::source_location where = std::source_location::current());
    /// Stops watching `fd`. Does nothing if it is not watched.
    void unwatch(int fd) noexcept;

    /// Calls the function for the timer once, after `delay`. Replaces the previous delay. The call comes from the
    /// event loop, also if `delay` is zero.
    template <class Rep, class Period>
    void set_timer(std::chrono::duration<Rep, Period> delay,
                   std::source_location where = std::source_location::current()) {
        clear_timer();
        timer_.emplace(time::sleep(delay, where));
        task_.wake_by_ref();
    }
    /// Stops the timer. Does nothing if it is not set.
    void clear_timer() noexcept {
        timer_.reset();
        is_timer_due_ = false;
    }

private:
    struct watched;

    task<void> run();
    poll_result<bool> poll_events(context& cx);
    void call_functions();

    std::function<void(int, io::ready)> on_ready_;
    std::function<void()> on_timer_;
    std::map<int, watched> watched_;
    std::optional<time::sleep_future> timer_;
    bool is_timer_due_ = false;
    std::vector<int> ready_;
    waker task_;
    task_owner tasks_;  // declared last, so that the task does not use the other members while they are destroyed
};

}  // namespace eddy
