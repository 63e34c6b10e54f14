// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include <eddy/detail/await_record.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/virtual_stack.hpp>
#include <eddy/result.hpp>

// EDDY_CHECKS enables checks that need memory in coroutine frames. The CMake target eddy::eddy sets it to 1 in Debug
// builds. A program with EDDY_CHECKS may be linked with a library without it, and vice versa: no type that the program
// and the library share depends on EDDY_CHECKS. The types that depend on it have the value of has_checks as a template
// argument, so that the linker keeps both variants.
#ifndef EDDY_CHECKS
#define EDDY_CHECKS 0
#endif

namespace eddy::detail {

/// Whether this translation unit is compiled with EDDY_CHECKS.
inline constexpr bool has_checks = EDDY_CHECKS != 0;

/// Ends the process with a message if the coroutine `awaiting` continues without the output of an await. `unwinding`
/// is the number of exceptions in flight at the begin of the await.
EDDY_API void check_abandoned_await(const frame& awaiting, call_site where, int unwinding) noexcept;

/// Ends the process with a message if the native stack of this thread is almost used up. Nested polls use it, for
/// example when tasks are awaited as lvalues.
EDDY_API void check_native_stack(call_site where) noexcept;

/// Whether a program must use the output of an await, because the output may be an error.
template <class T>
inline constexpr bool must_be_used = is_expected<T> && !std::is_same_v<T, discardable_result>;

/// The record of an awaiter's await: see await_record.hpp.
template <class A>
struct record_of_await {
    using type = no_await_record;
};
template <class A>
    requires requires { typename A::future_type; }
struct record_of_await<A> {
    using type = await_record;
};

/// An awaiter with two checks. It detects an await whose output is not used because the compiler has evaluated both
/// branches of a conditional expression (see docs/compilers.md). It detects a recursion that is too deep. It also
/// records the await.
template <class A>
class checked_awaiter : public A {
public:
    template <class... Args>
    explicit checked_awaiter(frame& awaiting, Args&&... args)
        : A(awaiting, std::forward<Args>(args)...),
          awaiting_here_(awaiting),
          awaited_at_(awaiting.where),
          // `A` refers to a future or moves it. A future that names its object still has the object's address after a
          // move.
          record_(args..., awaited_object_of(args)...) {  // NOLINT(bugprone-use-after-move)
        check_native_stack(awaited_at_);
        if constexpr (is_recorded) static_cast<leaf&>(*this).ask = &checked_awaiter::ask_recorded;
    }
    checked_awaiter(const checked_awaiter&) = delete;
    checked_awaiter& operator=(const checked_awaiter&) = delete;
    ~checked_awaiter() {
        if (!is_resumed_) check_abandoned_await(awaiting_here_, awaited_at_, unwinding_);
    }

    void await_suspend(const auto& coroutine) noexcept {
        record_.begin(awaited_at_, awaiting_here_.root->active->waker());
        A::await_suspend(coroutine);
    }
    decltype(auto) await_resume() {
        is_resumed_ = true;
        record_.end();
        return A::await_resume();
    }
    [[nodiscard("this discards an error: write co_await try_(...), or store the result and check it")]] decltype(auto)
    await_resume()
        requires must_be_used<typename A::awaited_type>
    {
        is_resumed_ = true;
        record_.end();
        return A::await_resume();
    }

private:
    using record = typename record_of_await<A>::type;
    static constexpr bool is_recorded = std::is_same_v<record, await_record>;

    static leaf_answer ask_recorded(leaf& self, context& cx, leaf_request what) {
        // SAFETY: only this class's constructor installs this function, in its own base.
        if (what == leaf_request::poll) static_cast<checked_awaiter&>(self).record_.poll_again(cx.waker());
        return A::ask(self, cx, what);
    }

    frame& awaiting_here_;
    const call_site awaited_at_;
    const int unwinding_ = std::uncaught_exceptions();
    bool is_resumed_ = false;
    [[no_unique_address]] record record_;
};

/// The awaiter `A`, with checks if they are enabled.
template <class A, bool Checks>
using maybe_checked = std::conditional_t<Checks, checked_awaiter<A>, A>;

}  // namespace eddy::detail
