// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>

namespace eddy {

namespace detail {

class wake_flag;

/// A place where a thread sleeps between two polls of a future.
class EDDY_API parking_place {
public:
    explicit parking_place(std::source_location where);
    parking_place(const parking_place&) = delete;
    parking_place& operator=(const parking_place&) = delete;
    ~parking_place();

    /// Returns a waker that unparks the thread.
    [[nodiscard]] eddy::waker waker() const noexcept;

    /// Sleeps until the waker is woken. Returns immediately if it was woken since the last call.
    void park() const noexcept;

private:
    wake_flag* flag_;      // holds one reference; each waker holds another
    bool stopped_before_;  // an outer wait() or run() on this thread
};

}  // namespace detail

/// Runs `future` on this thread, which sleeps while the future waits, and returns its output. It needs no runtime, and
/// it runs nothing but this future. A future that does I/O needs a reactor that another thread drives: the reactor with
/// which it is registered, or the fallback reactor (reactor_handle::set_fallback).
///
/// Errors: throws the exception of the future. Throws `nested_runtime` on a thread that runs tasks of an event loop or
/// a runtime, because those could not run meanwhile.
/// Thread safety: any thread. Wakers may outlive the call.
/// Lifetime: an lvalue is borrowed. An rvalue is moved in and destroyed before the function returns.
/// Cost: one allocation; a lock and a system call each time the thread sleeps. Before that it spins for up to about 5
/// us.
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
            detail::context_access::set_call_site(cx, detail::call_site_of(where));
            if (auto answer = waited.poll(cx)) return *std::move(answer);
            place.park();
        }
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
