// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

namespace support {

/// Creates wakers that call a function when they are woken. Wakers of waker_that_always_calls() also call it when they
/// are cloned or dropped, as the wakers of a user's executor may. A calling_waker must outlive its wakers.
class calling_waker {
public:
    explicit calling_waker(std::function<void()> f) : f_(std::move(f)) {}

    [[nodiscard]] eddy::waker waker() noexcept { return {&on_wake, &f_}; }
    [[nodiscard]] eddy::waker waker_that_always_calls() noexcept { return {&always, &f_}; }

private:
    // SAFETY: `f` is the f_ of the calling_waker that made the waker, and outlives it.
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

/// Returns the misuse that `f` throws, if any.
template <class Fn>
std::optional<eddy::misuse> misuse_of(Fn&& f) {
    try {
        std::forward<Fn>(f)();
    } catch (const eddy::misuse& e) {
        return e;
    }
    return std::nullopt;
}

template <class Fn>
std::string text_of_misuse(Fn&& f) {
    const auto thrown = misuse_of(std::forward<Fn>(f));
    return thrown ? thrown->what() : "(nothing was thrown)";
}

/// Expects that `f` throws a misuse that names the line of this call. Write `f` on that line.
template <class Fn>
void expect_misuse_here(Fn&& f, const std::source_location& here = std::source_location::current()) {
    const auto thrown = misuse_of(std::forward<Fn>(f));
    ASSERT_TRUE(thrown.has_value()) << "nothing was thrown on line " << here.line();
    EXPECT_STREQ(thrown->where().file_name(), here.file_name());
    EXPECT_EQ(thrown->where().line(), here.line());
}

}  // namespace support
