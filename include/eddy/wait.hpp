// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/place.hpp>
#include <eddy/detail/virtual_stack.hpp>
#include <eddy/future.hpp>

namespace eddy {

namespace detail {

class wake_flag;

/// Where a thread sleeps between two polls of a future that it waits for.
class EDDY_API parking_place {
public:
    explicit parking_place(std::source_location where);
    parking_place(const parking_place&) = delete;
    parking_place& operator=(const parking_place&) = delete;
    ~parking_place();

    [[nodiscard]] eddy::waker waker() const noexcept;

    /// Sleeps until the waker is woken; not at all if that has happened since the last time.
    void park() const noexcept;

private:
    wake_flag* flag_;  // one reference of it; each waker has its own
};

}  // namespace detail

/// Runs `future` on this thread, which sleeps while it has to wait, and returns its output. No runtime is needed, and
/// nothing but this future is run: an I/O future needs a reactor that another thread turns, which it is registered
/// with, or which is the fall-back (reactor_handle::set_fallback).
///
/// Errors: throws what the future throws; `nested_runtime` on a thread that runs a loop at this time, since that would
/// stand still.
/// Thread safety: any thread may wait. Wakers that outlive the wait are harmless.
/// Lifetime: an lvalue is borrowed, an rvalue is moved in and destroyed before this returns.
/// Cost: one allocation; a lock and a system call for each time the thread has to sleep.
template <class F>
auto wait(F&& future, std::source_location where = std::source_location::current()) {
    constexpr bool is_future = eddy::future<std::remove_cvref_t<F>>;
    static_assert(is_future, "eddy: wait takes a future (output_type and poll(context&))");
    if constexpr (is_future) {
        F waited(std::forward<F>(future));
        const detail::parking_place place(where);
        const waker waker = place.waker();
        for (;;) {
            context cx(waker);
            detail::await_place::set(cx, detail::place_of(where));
            if (auto answer = waited.poll(cx)) return *std::move(answer);
            place.park();
        }
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
