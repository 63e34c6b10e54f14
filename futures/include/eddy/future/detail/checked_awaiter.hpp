// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
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

/// The records of an awaiter's await: see await_record.hpp.
template <class A>
struct records_of_await {
    using type = no_await_records;
};
template <class A>
    requires requires { typename A::future_type; }
struct records_of_await<A> {
    using type = await_records<std::remove_const_t<typename A::future_type>>;
};

/// An awaiter with two checks. It detects an await whose output is not used because the compiler (GCC 12 to 16) has
/// evaluated both branches of a conditional expression; see docs/compilers.md. It detects a recursion that is too deep.
/// It also records the await.
template <class A>
class checked_awaiter : public A {
public:
    template <class... Args>
    explicit checked_awaiter(frame& awaiting, Args&&... args)
        : A(awaiting, std::forward<Args>(args)...), awaiting_here_(awaiting), awaited_at_(awaiting.where) {
        check_native_stack(awaited_at_);
        if constexpr (is_recorded) static_cast<leaf&>(*this).ops = &recorded;
    }
    checked_awaiter(const checked_awaiter&) = delete;
    checked_awaiter& operator=(const checked_awaiter&) = delete;
    ~checked_awaiter() {
        if (!is_resumed_) check_abandoned_await(awaiting_here_, awaited_at_, unwinding_);
    }

    void await_suspend(const auto& coroutine) noexcept {
        if constexpr (is_recorded)
            records_.begin(this->awaited_future(), awaited_at_, awaiting_here_.polled_by().waker());
        A::await_suspend(coroutine);
    }
    decltype(auto) take() {
        end();
        return A::take();
    }

private:
    using records = typename records_of_await<A>::type;
    static constexpr bool is_recorded = !std::is_same_v<records, no_await_records>;

    void end() noexcept {
        is_resumed_ = true;
        if constexpr (is_recorded) {
            records_.end();
            if constexpr (names_acquired_object<typename A::future_type>) {
                if (this->has_succeeded()) note_acquired(acquired_from(this->awaited_future()), awaited_at_);
            }
        }
    }

    static constexpr leaf_ops make_recorded() noexcept {
        if constexpr (is_recorded) return {&ask_recorded, A::operations.shape};
        return {};
    }
    static constexpr leaf_ops recorded = make_recorded();

    static leaf_answer ask_recorded(leaf& self, context& cx, leaf_request what) {
        // SAFETY: only this class's constructor installs this function, in its own base.
        auto& me = static_cast<checked_awaiter&>(self);
        if (what != leaf_request::poll) {
            me.records_.before_cancel();
            return A::answer(self, cx, what);
        }
        me.records_.before_poll(cx.waker());
        const leaf_answer answer = A::answer(self, cx, what);  // may end the coroutine, which destroys this object
        if (answer == leaf_answer::not_ready) me.records_.after_poll(me.awaited_future(), cx.waker());
        return answer;
    }

    frame& awaiting_here_;
    const call_site awaited_at_;
    const int unwinding_ = std::uncaught_exceptions();
    bool is_resumed_ = false;
    [[no_unique_address]] records records_;
};

/// The awaiter that the compiler uses. It warns if an output is not used that may be an error.
template <class A>
class resuming : public A {
public:
    using A::A;

    decltype(auto) await_resume() { return A::take(); }
    [[nodiscard("this discards an error: write co_await try_(...), or store the result and check it")]] decltype(auto)
    await_resume()
        requires must_be_used<typename A::awaited_type>
    {
        return A::take();
    }
};

/// The awaiter `A`, with checks if they are enabled.
template <class A, bool Checks>
using maybe_checked = resuming<std::conditional_t<Checks, checked_awaiter<A>, A>>;

}  // namespace eddy::detail
