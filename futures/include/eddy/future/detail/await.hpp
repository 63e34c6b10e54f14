// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/by_parts.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/detail/error_trail.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>

// The awaiters behind co_await in a task:
//
//     awaited                        awaiter                   how it runs
//     task or boxed_future, rvalue   task_awaiter              its frame joins the virtual stack (virtual_stack.hpp)
//     any other future               leaf_awaiter              polled in place; a future that keeps its output (a
//                                                              join_handle) is asked for it when the coroutine
//                                                              continues
//     a future with ends_when_woken  wake_awaiter              polled once
//     try_ of a task                 try_task_awaiter          as task_awaiter; an error ends the awaiting coroutine
//     try_ of another future         leaf_awaiter              as above; an error ends the awaiting coroutine
//     try_ of a std::expected        expected_awaiter          not polled
//
// Each of them has take(), which returns the output or throws. The class `resuming` adds await_resume(). With
// EDDY_CHECKS there is a checked_awaiter in between.
//
// An awaiter occupies space in the coroutine frame for as long as a connection waits, so every word counts. For the
// same reason await_suspend() takes its handle by reference: GCC keeps a copy of a by-value parameter in the frame.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// A future that keeps its output elsewhere until it is taken. `poll_end(cx)` returns what poll() would answer, without
/// the output. After it has returned true, `take_output(where)` is called once.
template <class F>
concept keeps_output = requires(F& future, context& cx, std::source_location where) {
    { future.poll_end(cx) } -> std::same_as<bool>;
    future.take_output(where);
};

}  // namespace eddy::detail

namespace eddy {
template <class T>
class task;
template <class T>
class boxed_future;
}  // namespace eddy

namespace eddy::detail {

/// Whether an rvalue of this type is entered when awaited: enter_frame() adds its frame to the virtual stack, and it is
/// not polled as a future.
template <class F>
inline constexpr bool is_entered = false;
template <class T>
inline constexpr bool is_entered<task<T>> = true;
template <class T>
inline constexpr bool is_entered<boxed_future<T>> = true;

/// Whether an error of type `E` may be the exception of a task, which has no error code: a join_error, unless the
/// coroutine's own errors are join_errors.
template <class E, class To>
inline constexpr bool may_rethrow =
    !std::is_convertible_v<E, To> && requires(const E& error) { error.rethrow(), error.to_error_code(); };

/// Returns whether `outcome` contains an error with which `try_` ends a coroutine whose output is `Out`. The exception
/// of a task does not end it: throw_if_rethrown() throws it in the coroutine, which may catch it.
template <class Out, class X>
bool ends_coroutine(const X& outcome) noexcept {
    if (outcome.has_value()) return false;
    if constexpr (may_rethrow<typename X::error_type, typename Out::error_type>) {
        try {
            static_cast<void>(outcome.error().to_error_code());
        } catch (...) {
            return false;
        }
    }
    return true;
}

/// Throws the exception of a task that `outcome` contains.
/// Preconditions: ends_coroutine<Out>(outcome) is false.
template <class Out, class X>
void throw_if_rethrown(const X& outcome) {
    if constexpr (may_rethrow<typename X::error_type, typename Out::error_type>) {
        if (!outcome.has_value()) [[unlikely]]
            outcome.error().rethrow();
    }
}

/// Ends the coroutine `awaiting`, whose output is `Out`, with the error in `outcome`. If the conversion of the error
/// throws, the coroutine ends with that exception. The location is recorded in an any_error, and with `Checks` in the
/// trail of the main future: see error_trail.hpp.
/// `failed` is the future with the error, if it still exists: an any_error gets the text of its operation().
template <class Out, bool Checks = false, class Outcome, class F = void>
void end_with_error(frame& awaiting, Outcome&& outcome, bool from_child = false,
                    [[maybe_unused]] const F* failed = nullptr) noexcept {
    if constexpr (Checks) error_trail::note(awaiting, awaiting.where, from_child);
    // SAFETY: `Out` is the output type of the awaiting coroutine, so its result slot is a slot<Out>.
    auto& destination = static_cast<slot<Out>&>(*awaiting.outcome);
    try {
        auto error = convert_error<typename Out::error_type>(std::forward<Outcome>(outcome).error());
        if constexpr (std::is_same_v<decltype(error), any_error>) {
            if constexpr (requires { std::string(failed->operation()); })
                error = std::move(error).context(failed->operation());
            note_place(error, awaiting.where);
        }
        destination.set_value(std::unexpect, std::move(error));
    } catch (...) {
        destination.set_exception(std::current_exception());
    }
    destination.frame_is = slot_base::fate::ended;
}

/// Ends `awaiting` if the outcome of an awaited task is an error, and returns whether it did. `try_` of a task stores
/// this function in its result slot.
template <class Out, class In, bool Checks = false>
bool propagate_error(slot_base& from, frame& awaiting) noexcept {
    // SAFETY: only try_task_awaiter<Out, In, Checks> installs this function, in its own slot<In>.
    auto& outcome = static_cast<slot<In>&>(from);
    if (!outcome.has_value() || !ends_coroutine<Out>(outcome.value())) return false;
    end_with_error<Out, Checks>(awaiting, std::move(outcome.value()), true);
    return true;
}

// ---- Awaiting a task: its frame becomes the innermost of the virtual stack ----

/// Awaits a task by resuming its frame, which writes its outcome into this awaiter's result slot.
/// Lifetime: the awaiter lives in the frame of `awaiting`. It owns no frame: the virtual stack destroys `child`.
template <class T, bool Tries = false>
class task_awaiter {
public:
    using awaited_type = T;

    task_awaiter(frame& awaiting, frame* child) noexcept : child_(child), outcome_(awaiting) {}
    task_awaiter(const task_awaiter&) = delete;
    task_awaiter& operator=(const task_awaiter&) = delete;

    bool await_ready() { return start_child(outcome_.awaiting(), *child_, outcome_); }
    void await_suspend(const auto&) const noexcept {}
    T take() { return outcome_.take(source_location_of(outcome_.awaiting().where)); }

protected:
    frame* child_;
    awaited_slot<T, Tries> outcome_;
};

/// Same as task_awaiter, for `try_`: an error ends the awaiting coroutine without resuming it.
template <class Out, class In, bool Checks>
class try_task_awaiter : task_awaiter<In, true> {
    using base = task_awaiter<In, true>;

public:
    using awaited_type = typename In::value_type;

    using base::base;

    bool await_ready() {
        this->outcome_.set_propagation(&propagate_error<Out, In, Checks>);
        if (!start_child(this->outcome_.awaiting(), *this->child_, this->outcome_)) return false;
        return !this->outcome_.has_value() || !ends_coroutine<Out>(this->outcome_.value());
    }
    void await_suspend(const auto&) noexcept {
        if (this->outcome_.frame_is != slot_base::fate::running)
            end_with_error<Out, Checks>(this->outcome_.awaiting(), std::move(this->outcome_.value()), true);
    }
    awaited_type take() {
        if (this->outcome_.has_value()) throw_if_rethrown<Out>(this->outcome_.value());
        if constexpr (std::is_void_v<awaited_type>) {
            static_cast<void>(base::take());
        } else {
            return *base::take();
        }
    }
};

// ---- Awaiting any other future: it is polled in place ----

/// The type of the value of a `try_` of an `Output`.
template <class Output>
struct value_of_try : std::type_identity<typename Output::value_type> {};

/// The result of a poll of an `F`, unless it has no output or keeps it.
template <class F, bool Tries>
struct awaited_result {};
template <class F, bool Tries>
    requires(!std::is_void_v<typename F::output_type> && (Tries || !keeps_output<F>))
struct awaited_result<F, Tries> {
    poll_result<typename F::output_type> result = not_ready;
};

/// Polls a future in place and keeps its outcome until await_resume(): the result of its poll(), or an exception. The
/// result is constructed here, and moved only once, by take(): a move of a std::string is a branch and six stores.
/// `awaited` is null if a future without output has ended.
/// `Out` is the awaiting coroutine's output for `try_`, and void for a plain await.
/// Lifetime: refers to the future, which lives in the awaiting coroutine's frame or outlives it.
template <class F, class Out, bool Checks>
class leaf_awaiter : protected leaf, awaited_result<F, !std::is_void_v<Out>> {
public:
    using future_type = F;
    using output = typename F::output_type;
    static constexpr bool tries = !std::is_void_v<Out>;
    using awaited_type = typename std::conditional_t<tries, value_of_try<output>, std::type_identity<output>>::type;

    leaf_awaiter(frame& awaiting, F& future) noexcept : leaf(operations, awaiting, &future) {}

    [[gnu::always_inline]] bool await_ready() noexcept { return poll(waiter.polled_by()) && !failed(); }

    void await_suspend(const auto&) noexcept {
        if constexpr (tries) {
            if (failed()) return end_with_error<Out, Checks>(waiter, *std::move(this->result), false, &future());
        }
        wait_for(*this);
    }

    awaited_type take() {
        if (has_thrown()) [[unlikely]]
            std::rethrow_exception(error);
        if constexpr (leaves_output) {
            return future().take_output(source_location_of(waiter.where));  // for the text of misuse
        } else {
            if (!has_ended()) [[unlikely]]
                throw_resumed_too_early(source_location_of(waiter.where));
            if constexpr (tries) throw_if_rethrown<Out>(*this->result);
            if constexpr (tries && !std::is_void_v<awaited_type>) {
                return awaited_type(*take_result());
            } else if constexpr (!std::is_void_v<awaited_type>) {
                return take_result();
            }
        }
    }

protected:
    static leaf_answer answer(leaf& self, context& cx, leaf_request what) {
        // SAFETY: only this class's constructor, or checked_awaiter's, installs this function, in its own base.
        auto& me = static_cast<leaf_awaiter&>(self);
        return what == leaf_request::poll ? me.poll_again(cx) : me.cancel(cx);
    }
    static constexpr leaf_ops operations{&answer, &shape_of<std::remove_cv_t<F>>};

    /// Returns whether there is an output that is not an error.
    [[nodiscard]] bool has_succeeded() noexcept {
        if constexpr (is_expected<output> && has_result) return has_ended() && (*this->result).has_value();
        return has_ended();
    }
    /// Returns the future.
    /// Preconditions: it has neither thrown nor ended without output.
    [[nodiscard]] const F& awaited_future() noexcept { return future(); }

private:
    static constexpr bool leaves_output = keeps_output<F> && !tries;
    static constexpr bool has_result = !leaves_output && !std::is_void_v<output>;

    // SAFETY: the constructor has stored the address of an F, which may be const only if F is.
    [[nodiscard]] F& future() const noexcept { return *static_cast<F*>(const_cast<void*>(awaited)); }
    /// Returns whether there is a result.
    [[nodiscard]] bool has_ended() const noexcept {
        if constexpr (has_result) return this->result.is_ready();
        return !has_thrown() && awaited == nullptr;
    }
    bool failed() noexcept {
        if constexpr (tries) return has_ended() && ends_coroutine<Out>(*this->result);
        return false;
    }
    output take_result() {
        return by_parts(*this->result, [](auto&&... parts) { return output(std::forward<decltype(parts)>(parts)...); });
    }

    /// Polls the future. Returns whether there is an outcome now.
    /// Preconditions: there was none.
    [[gnu::always_inline]] bool poll(context& cx) noexcept {
        context_access::set_call_site(cx, waiter.where);
        try {
            if constexpr (leaves_output) {
                return future().poll_end(cx);
            } else if constexpr (has_result) {
                // A placement new, because construct_at() would add a move. The old result is "not ready", which needs
                // no destructor call.
                ::new (static_cast<void*>(std::addressof(this->result))) poll_result<output>(future().poll(cx));
                return this->result.is_ready();
            } else {
                if (!future().poll(cx).is_ready()) return false;
                awaited = nullptr;
            }
        } catch (...) {
            if constexpr (has_result) std::construct_at(std::addressof(this->result), not_ready);
            std::construct_at(std::addressof(error), std::current_exception());
            ops = nullptr;
        }
        return true;
    }

    leaf_answer poll_again(context& cx) noexcept {
        if (!poll(cx)) return leaf_answer::not_ready;
        if constexpr (tries) {
            if (failed()) {
                end_with_error<Out, Checks>(waiter, *std::move(this->result), false, &future());
                return leaf_answer::ended;
            }
        }
        return leaf_answer::ready;
    }

    leaf_answer cancel(context& cx) {
        if constexpr (cancellable_future<F>) {
            if (!future().poll_cancel(cx).is_ready()) return leaf_answer::not_ready;
        }
        return leaf_answer::ready;
    }
};

/// A future that is ready as soon as its task is woken, for any reason. Its class declares
/// `static constexpr bool ends_when_woken = true`.
template <class F>
concept ends_when_woken = F::ends_when_woken;

/// Awaits a future that ends when its task is woken and has no output. The future is polled only once.
template <class F>
class wake_awaiter {
public:
    static_assert(std::is_void_v<typename F::output_type>);
    using awaited_type = void;

    wake_awaiter(frame& awaiting, F& future) noexcept : root_(awaiting.root()), future_(future) {}
    wake_awaiter(const wake_awaiter&) = delete;
    wake_awaiter& operator=(const wake_awaiter&) = delete;

    bool await_ready() { return future_.poll(root_.at.polled_by()).is_ready(); }
    void await_suspend(const auto& coroutine) noexcept { root_.at = stack_position::resumes(coroutine.promise()); }
    void take() const noexcept {}

private:
    frame& root_;
    F& future_;
};

// ---- `try_` of a plain `expected` ----

/// Yields the value of a `std::expected`, or ends the awaiting coroutine with its error.
/// `In` is a reference type with the value category of the argument: an lvalue is copied from, an rvalue is moved from.
template <class Out, class In, bool Checks>
class expected_awaiter {
    using plain = std::remove_cvref_t<In>;

public:
    using awaited_type = typename plain::value_type;

    expected_awaiter(frame& awaiting, In outcome) noexcept : awaiting_(awaiting), outcome_(static_cast<In>(outcome)) {}

    bool await_ready() const noexcept { return !ends_coroutine<Out>(outcome_); }
    void await_suspend(const auto&) noexcept { end_with_error<Out, Checks>(awaiting_, static_cast<In>(outcome_)); }
    awaited_type take() {
        throw_if_rethrown<Out>(outcome_);
        if constexpr (!std::is_void_v<awaited_type>) return *static_cast<In>(outcome_);
    }

private:
    frame& awaiting_;
    In outcome_;
};

/// Wraps an operand that a library coroutine awaits on behalf of its caller, with the caller's source location.
/// `A` is a reference type.
template <class A>
struct in_name_of {
    A awaited;
    std::source_location where;

    in_name_of(A what, std::source_location caller) noexcept : awaited(static_cast<A>(what)), where(caller) {}
};

/// Same as in_name_of, with the location of the code that awaits or polls the library coroutine.
template <class A>
struct in_name_of_caller {
    A awaited;

    explicit in_name_of_caller(A what) noexcept : awaited(static_cast<A>(what)) {}
};

/// Returns the location of the code that awaits or polls a coroutine.
/// Preconditions: the coroutine is being polled.
inline call_site caller_of(const frame& coroutine) noexcept {
    return coroutine.is_root() ? call_site_of(coroutine.polled_by().where()) : awaiting_of(*coroutine.outcome)->where;
}

// ---- Dispatch ----

/// Returns whether the output of `F`, if it is a future, can be moved out of a co_await expression.
template <class F>
constexpr bool gives_what_moves() {
    if constexpr (future<F>) {
        return std::is_void_v<output_t<F>> || std::is_move_constructible_v<output_t<F>>;
    } else {
        return true;
    }
}

/// Replaces the awaiter after a static_assert has failed, so that the compiler reports no further errors.
struct dummy_awaiter {
    bool await_ready() const noexcept { return true; }
    void await_suspend(const auto&) const noexcept {}
    broken_future await_resume() const noexcept { return {}; }
};

/// Returns the awaiter for `co_await try_(...)`. `Out` is the output of the awaiting coroutine.
template <class Out, bool Checks, class A>
auto make_try_awaiter(frame& awaiting, try_expression<A>& tried) {
    using F = std::remove_cvref_t<A>;
    auto& inner = tried.inner();
    constexpr bool fits = is_expected<Out>;
    static_assert(fits,
                  "eddy: try_ ends the coroutine with an error, so its output must be a std::expected (result<T>)");
    if constexpr (!fits) {
        return dummy_awaiter{};
    } else if constexpr (is_expected<F>) {
        return maybe_checked<expected_awaiter<Out, A&&, Checks>, Checks>(awaiting, static_cast<A&&>(inner));
    } else if constexpr (is_entered<F> && !std::is_reference_v<A>) {
        return maybe_checked<try_task_awaiter<Out, output_t<F>, Checks>, Checks>(
            awaiting, enter_frame(inner, source_location_of(awaiting.where)));
    } else {
        return maybe_checked<leaf_awaiter<std::remove_reference_t<A>, Out, Checks>, Checks>(awaiting, inner);
    }
}

/// Returns the awaiter for a co_await in a task. `Out` is the output of the awaiting coroutine.
template <class Out, bool Checks, class A>
auto make_awaiter(frame& awaiting, A&& awaited) {
    using F = std::remove_cvref_t<A>;
    constexpr bool compiles = !awaits_closure<A>;
    static_assert(
        compiles,
        "eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name "
        "the future first, `auto task = eddy::spawn(...);`, and then await it, `co_await task` (see "
        "docs/compilers.md)");
    constexpr bool movable = gives_what_moves<F>();
    static_assert(movable || is_entered<F>,  // a coroutine's promise reports this error itself
                  "eddy: this future's output is moved to the awaiting coroutine, and its type cannot be moved");
    if constexpr (!movable) {
        return dummy_awaiter{};
    } else if constexpr (is_try<F>) {
        return make_try_awaiter<Out, Checks>(awaiting, awaited);
    } else if constexpr (is_entered<F> && !std::is_lvalue_reference_v<A>) {
        return maybe_checked<task_awaiter<output_t<F>>, Checks>(
            awaiting, enter_frame(awaited, source_location_of(awaiting.where)));
    } else {
        constexpr bool is_future = future<F>;
        constexpr bool is_only_stream = stream<F> && !is_future;
        static_assert(!is_only_stream, "eddy: this is a stream, not a future: await its next()");
        static_assert(is_future || is_only_stream,
                      "eddy: this cannot be awaited: it is not a future (output_type, poll_result<output_type> "
                      "poll(context&)); await a plain result by try_, another library's awaitable by from_awaitable");
        if constexpr (ends_when_woken<F>) {
            return maybe_checked<wake_awaiter<std::remove_reference_t<A>>, Checks>(awaiting, awaited);
        } else if constexpr (is_future) {
            return maybe_checked<leaf_awaiter<std::remove_reference_t<A>, void, Checks>, Checks>(awaiting, awaited);
        } else {
            return dummy_awaiter{};
        }
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
