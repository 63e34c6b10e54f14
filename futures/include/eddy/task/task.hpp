// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/await.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/detail/closure_coroutine.hpp>
#include <eddy/future/detail/error_trail.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {
template <class T>
class promise;
}  // namespace detail

template <class T>
detail::frame* enter_frame(task<T>& used, std::source_location where);
template <class T>
void forget_closure(task<T>& made, const void* closure) noexcept;
template <class T>
bool poll_into(task<T>& polled, detail::slot<T>& outcome, context& cx);

/// A lazy coroutine that is also a future. It does nothing until it is awaited, spawned or polled. A chain of tasks
/// that await each other is polled as one unit. Waking the innermost one has the same cost at any depth. Deep chains do
/// not overflow the native stack.
///
/// A task that never runs is destroyed without a message, because `select`, `join` and others drop tasks that have not
/// begun. With -Wall, GCC and Clang warn about a variable that holds a task and is never used.
///
/// Errors: an exception that leaves the coroutine is thrown again where the task is awaited or polled. Polling it after
/// its end throws `misuse`. If the destructor of a parameter throws, the process is terminated.
/// Cancel safety: destroying it, which is allowed at any time, destroys all coroutine frames of the chain, innermost
/// first.
/// Thread safety: one thread at a time may poll it. Different threads may poll it in succession; the workers of a
/// runtime do.
/// Lifetime: the coroutine frame has copies of parameters that are passed by value. Objects that are passed by
/// reference must outlive the task. A task that is awaited as an lvalue is borrowed, and polled as a separate chain; in
/// deep recursion, await rvalues.
/// Cost: one block from the frame pool for each coroutine. A complete await costs about as much as one malloc() and
/// free().
template <class T = void>
class [[nodiscard("a task does nothing until it is awaited, spawned or run"), gnu::warn_unused]] task
    : public future_ops<task<T>> {
public:
    using output_type = T;
    /// The promise type of the coroutine, for the compiler.
    using promise_type = detail::promise<T>;

    /// Moves the coroutine. The assignment destroys the coroutine that this task had before.
    /// Preconditions: no poll of `other` is in progress; otherwise the process ends with a message.
    task(task&& other) noexcept : frame_(other.release()) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            if (frame_ != nullptr) detail::destroy_root(*frame_);
            frame_ = other.release();
        }
        return *this;
    }
    /// Destroys the coroutine frames of the chain, innermost first.
    ~task() {
        if (frame_ != nullptr) detail::destroy_root(*frame_);
    }

    /// Runs the chain until it has to wait. Throws the exception of the coroutine; throws `misuse` after the end.
    poll_result<T> poll(context& cx) {
        const std::source_location awaited_at = cx.where();  // the awaits in the chain change it
        detail::slot<T> outcome;
        if (!poll_into(*this, outcome, cx)) return not_ready;
        if constexpr (std::is_void_v<T>) {
            outcome.take(awaited_at);
            return poll_result<void>::ready();
        } else if constexpr (std::is_move_constructible_v<T>) {  // else the promise has a static_assert
            return outcome.take(awaited_at);
        } else {
            return not_ready;
        }
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::frames, &task::frame_); }

    /// A task is not its output.
    template <std::same_as<bool> B>
    explicit operator B() const
        EDDY_DELETED("a task has no value to test: await it in a statement of its own, and test the result");

    /// For use by co_await. The frame stands for the task, since a combinator may move a task that it owns.
    friend const detail::frame* awaited_object(const task& me) noexcept { return me.frame_; }

    /// Cancels the chain gracefully: calls poll_cancel() of the innermost future, then destroys the coroutine frames.
    poll_result<void> poll_cancel(context& cx) {
        if (!detail::cancel_root(frame_, cx)) return not_ready;
        return poll_result<void>::ready();
    }

private:
    friend class detail::promise<T>;
    template <class U>
    friend detail::frame* enter_frame(task<U>& used, std::source_location where);
    template <class U>
    friend void forget_closure(task<U>& made, const void* closure) noexcept;
    template <class U>
    friend bool poll_into(task<U>& polled, detail::slot<U>& outcome, context& cx);

    explicit task(detail::frame& frame) noexcept : frame_(&frame) {}

    [[nodiscard]] detail::frame* release() noexcept {
        if (frame_ != nullptr && frame_->at.is_polled()) [[unlikely]]
            detail::end_move_in_poll(*frame_, "a task");
        return std::exchange(frame_, nullptr);
    }

    detail::frame* frame_;
};

// ---- Implementation ----

namespace detail {

template <class T>
class promise_base : public frame {
public:
    promise_base() noexcept = default;
    /// For a lambda; `closure` is null if it has no captures.
    explicit promise_base(const void* closure) noexcept : frame(closure) {}

    void unhandled_exception() noexcept {
        check_exception_in_poll(*this);
        destination().set_exception(std::current_exception());
    }

    template <class A, bool Checks = has_checks>
    auto await_transform(A&& awaited, call_site here = EDDY_HERE) {
        where = here;
        return make_awaiter<T, Checks>(*this, std::forward<A>(awaited));
    }

    /// By value: see try_expression.
    template <class X, bool Checks = has_checks>
    auto await_transform(try_expression<X> tried, call_site here = EDDY_HERE) {
        where = here;
        return make_awaiter<T, Checks>(*this, std::move(tried));
    }

    /// Awaits on behalf of other code, whose `co_await` is at `named.where`.
    template <class A, bool Checks = has_checks>
    auto await_transform(in_name_of<A> named) {
        where = call_site_of(named.where);
        return make_awaiter<T, Checks>(*this, static_cast<A>(named.awaited));
    }

    /// Awaits on behalf of the code that awaits or polls this coroutine.
    template <class A, bool Checks = has_checks>
    auto await_transform(in_name_of_caller<A> named) {
        where = caller_of(*this);
        return make_awaiter<T, Checks>(*this, static_cast<A>(named.awaited));
    }

protected:
    // SAFETY: the future that awaits or polls a task<T> sets `outcome` to a slot<T>, which outlives the frame.
    slot<T>& destination() noexcept { return static_cast<slot<T>&>(*outcome); }
};

template <class T>
class promise final : public promise_base<T> {
    static constexpr bool is_movable = std::is_move_constructible_v<T>;
    static_assert(is_movable,
                  "eddy: a coroutine's output is moved to its awaiter, and this type cannot be moved: return a "
                  "std::unique_ptr of it");

public:
    promise() noexcept = default;
    /// The compiler passes the lambda and the arguments, if the coroutine is a lambda.
    template <class C, class... Args>
        requires closure_type<std::remove_cvref_t<C>>
    explicit promise(C& closure, Args&...) noexcept : promise_base<T>(captures_of(closure)) {}

    task<T> get_return_object() noexcept { return task<T>(*this); }

    template <class U = T, bool Checks = has_checks>
        requires(std::convertible_to<U, T> || !is_movable)
    void return_value(U&& value, call_site here = EDDY_HERE) {
        if constexpr (is_movable) this->destination().set_value(std::forward<U>(value));
        constexpr bool has_places = is_any_result<T>;
        if constexpr (is_expected<T> && (Checks || has_places)) {
            if (!this->destination().value().has_value()) [[unlikely]] {
                if constexpr (has_places) note_place(this->destination().value().error(), here);
                if constexpr (Checks) error_trail::note(*this, here, false);
            }
        }
    }

    /// Accepts `co_return std::unexpected(std::errc::timed_out);` if the error type is std::error_code.
    template <bool Checks = has_checks>
        requires is_result<T>
    void return_value(std::unexpected<std::errc> error, call_site here = EDDY_HERE) {
        return_value<T, Checks>(T(std::unexpect, std::make_error_code(error.error())), here);
    }

    template <class U>
        requires(!std::convertible_to<U, T> && is_movable)
    void return_value(U&&) {
        constexpr bool is_error = returns_error<U>();
        static_assert(!is_error, "eddy: to end a coroutine with an error, write `co_return std::unexpected(error);`");
        static_assert(is_error,
                      "eddy: this value does not convert to the output of the coroutine. The value of a result<void> "
                      "is `co_return {};`, or `co_return eddy::ok();` if it is an eddy::result");
    }

    /// Reports a missing co_return. A coroutine that reaches its end without one has undefined behavior; code from GCC,
    /// which does not warn about it, comes here without a value.
    final_awaiter final_suspend(call_site coroutine = EDDY_HERE) noexcept {
        if (this->destination().is_empty()) [[unlikely]]
            this->destination().set_exception(missing_co_return(coroutine));
        return frame::final_suspend();
    }

private:
    /// Returns whether a `U` converts to the error of the output, and not to its value.
    template <class U>
    static consteval bool returns_error() {
        if constexpr (is_expected<T>) {
            return std::is_convertible_v<U, typename T::error_type> ||
                   (is_result<T> && std::is_same_v<std::remove_cvref_t<U>, std::errc>);
        } else {
            return false;
        }
    }
};

template <>
class promise<void> final : public promise_base<void> {
public:
    promise() noexcept = default;
    template <class C, class... Args>
        requires closure_type<std::remove_cvref_t<C>>
    explicit promise(C& closure, Args&...) noexcept : promise_base<void>(captures_of(closure)) {}

    task<void> get_return_object() noexcept { return task<void>(*this); }
    void return_void() { destination().set_value(); }
};

static_assert(sizeof(promise<int>) == sizeof(frame) && alignof(promise<int>) == alignof(frame));
static_assert(sizeof(frame) == 3 * sizeof(void*), "each coroutine has one");

}  // namespace detail

/// Customization point for awaits and spawns, found by argument-dependent lookup: releases the task's frame to the
/// caller. Throws `misuse`, with the source location `where`, if the task has ended, or if it is a lambda that will be
/// destroyed before the task runs.
template <class T>
inline detail::frame* enter_frame(task<T>& used, std::source_location where) {
    if (used.frame_ == nullptr) [[unlikely]]
        detail::throw_ended_task(where);
    if (!used.frame_->at.is_fresh()) [[unlikely]] {
        if (used.frame_->at.has_begun()) {
            used.frame_ = detail::continue_in_new_frame(*std::exchange(used.frame_, nullptr), where);
        } else if (detail::is_on_stack_of_poll(used.frame_->where)) {
            detail::throw_lambda_is_gone(where);
        }
    }
    return std::exchange(used.frame_, nullptr);
}

/// For the library: the first poll of `made`, a new task, need not look for its lambda if that is `closure`, which the
/// caller keeps until the task has ended.
template <class T>
inline void forget_closure(task<T>& made, const void* closure) noexcept {
    detail::frame* const frame = made.frame_;
    if (frame != nullptr && frame->at.is_of_closure() && frame->where == closure)
        frame->at = detail::stack_position::not_begun(false);
}

/// For the library: same as poll(), but stores the outcome in `outcome`, where it stays. Returns whether the task has
/// ended.
template <class T>
inline bool poll_into(task<T>& polled, detail::slot<T>& outcome, context& cx) {
    if (polled.frame_ == nullptr) detail::throw_ended_task(cx.where());
    if (!detail::run_root(*polled.frame_, outcome, cx)) return false;
    polled.frame_ = nullptr;
    return true;
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
