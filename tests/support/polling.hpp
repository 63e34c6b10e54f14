// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/waker.hpp>

namespace support {

/// A waker that calls a function when it is woken; or, too, when it is cloned and dropped: what a stranger's executor
/// might do.
class calling_waker {
public:
    explicit calling_waker(std::function<void()> f) : f_(std::move(f)) {}

    [[nodiscard]] eddy::waker waker() noexcept { return {&on_wake, &f_}; }
    [[nodiscard]] eddy::waker waker_that_always_calls() noexcept { return {&always, &f_}; }

private:
    static void call(void* f) noexcept { (*static_cast<std::function<void()>*>(f))(); }
    static void* call_and_clone(void* f) noexcept {
        call(f);
        return f;
    }
    static constexpr eddy::waker_vtable on_wake{[](void* f) noexcept { return f; }, call, call, [](void*) noexcept {}};
    static constexpr eddy::waker_vtable always{call_and_clone, call, call, call};

    std::function<void()> f_;
};

template <class F>
auto poll_with(F& future, const eddy::waker& waker) {
    eddy::context cx(waker);
    return future.poll(cx);
}

template <class Fn>
std::string text_of_misuse(Fn&& f) {
    try {
        std::forward<Fn>(f)();
    } catch (const eddy::misuse& e) {
        return e.what();
    }
    return "(nothing was thrown)";
}

}  // namespace support
