// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/by_parts.hpp>
#include <eddy/detail/checked_awaiter.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/error_trail.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/detail/virtual_stack.hpp>
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
namespace eddy::inline v0_1::detail {

/// A future that keeps its output elsewhere until it is taken. `poll_end(cx, root)` returns what poll() would answer,
/// without the output; `root` is the root of the awaiting coroutine. After it has returned true, `take_output(where)`
/// is called once.
template <class F>
concept keeps_output = requires(F& future, context& cx, const frame* root) {
    { future.poll_end(cx, root) } -> std::same_as<bool>;
};

/// Polls a future in place, and keeps its outcome: the result of its poll(), or an exception. The result is constructed
/// here, and moved only once, by take(). This matters: a move of a std::string is a branch and six stores.
/// If `LeavesOutput`, the future keeps its output until take().
/// Lifetime: the future must outlive this object.
template <class F, bool LeavesOutput>
class polled {
    using output = typename F::output_type;
    using answer = std::conditional_t<LeavesOutput, poll_result<void>, poll_result<output>>;

public:
    explicit polled(F& future) noexcept : future_(&future) { std::construct_at(std::addressof(answer_), not_ready); }
    polled(const polled&) = delete;
    polled& operator=(const polled&) = delete;
    ~polled() {
        if (has_thrown()) [[unlikely]]
            destroy_exception(error_);
        else
            std::destroy_at(std::addressof(answer_));
    }

    /// Returns the future.
    /// Preconditions: it has not thrown.
    [[nodiscard]] F& future() noexcept { return *future_; }
    [[nodiscard]] bool has_value() const noexcept { return !has_thrown() && answer_.is_ready(); }
    /// Returns the value.
    /// Preconditions: has_value(), and not LeavesOutput.
    [[nodiscard]] decltype(auto) value() noexcept { return *answer_; }

    /// Polls the future, which a coroutine on the stack of `root` awaits. Returns whether there is an outcome now.
    /// Preconditions: there was none.
    bool poll(context& cx, [[maybe_unused]] const frame* root) noexcept {
        try {
            if constexpr (LeavesOutput) {
                return future_->poll_end(cx, root);
            } else {
                // A placement new, because construct_at() would add a move. The old result is "not ready", which needs
                // no destructor call.
                ::new (static_cast<void*>(std::addressof(answer_))) answer(future_->poll(cx));
                return answer_.is_ready();
            }
        } catch (...) {
            std::construct_at(std::addressof(error_), std::current_exception());
            future_ = nullptr;
            return true;
        }
    }

    /// Returns the value, or throws the exception. `awaited_at` is for the text of misuse.
    output take(std::source_location awaited_at) {
        if (has_thrown()) [[unlikely]]
            std::rethrow_exception(error_);
        if constexpr (LeavesOutput) {
            return future_->take_output(awaited_at);
        } else {
            if (!answer_.is_ready()) [[unlikely]]
                throw_resumed_too_early(awaited_at);
            if constexpr (!std::is_void_v<output>) {
                return by_parts(*answer_,
                                [](auto&&... parts) { return output(std::forward<decltype(parts)>(parts)...); });
            }
        }
    }

private:
    [[nodiscard]] bool has_thrown() const noexcept { return future_ == nullptr; }

    F* future_;  // null: the future has thrown. A separate flag would cost a word per await.
    union {
        answer answer_;
        std::exception_ptr error_;
    };
};

}  // namespace eddy::detail

namespace eddy::inline v0_1 {
template <class T>
class task;
template <class T>
class boxed_future;
}  // namespace eddy

namespace eddy::inline v0_1::detail {

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
/// throws, the coroutine ends with that exception. With `Checks`, the location is recorded: see error_trail.hpp.
template <class Out, bool Checks = false, class Outcome>
void end_with_error(frame& awaiting, Outcome&& outcome, bool from_child = false) noexcept {
    if constexpr (Checks) error_trail::note(awaiting, awaiting.where, from_child);
    // SAFETY: `Out` is the output type of the awaiting coroutine, so its result slot is a slot<Out>.
    auto& destination = static_cast<slot<Out>&>(*awaiting.outcome);
    try {
        destination.set_value(std::unexpect,
                              convert_error<typename Out::error_type>(std::forward<Outcome>(outcome).error()));
    } catch (...) {
        destination.set_exception(std::current_exception());
    }
    destination.frame_is = slot_base::fate::ended;
}

/// Ends `awaiting` if the outcome of an awaited task is an error, and returns whether it did. `try_` of a task stores
/// this function in its result slot, a propagating_slot.
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
template <class T, class Slot = slot<T>>
class task_awaiter {
public:
    using awaited_type = T;

    task_awaiter(frame& awaiting, frame* child) noexcept : awaiting_(awaiting), child_(child) {}
    task_awaiter(const task_awaiter&) = delete;
    task_awaiter& operator=(const task_awaiter&) = delete;

    bool await_ready() { return start_child(awaiting_, *child_, outcome_); }
    void await_suspend(const auto&) const noexcept {}
    T take() { return outcome_.take(source_location_of(awaiting_.where)); }

protected:
    frame& awaiting_;
    frame* child_;
    Slot outcome_;
};

/// Same as task_awaiter, for `try_`: an error ends the awaiting coroutine without resuming it.
template <class Out, class In, bool Checks>
class try_task_awaiter : task_awaiter<In, propagating_slot<In>> {
    using base = task_awaiter<In, propagating_slot<In>>;

public:
    using awaited_type = typename In::value_type;

    using base::base;

    bool await_ready() {
        this->outcome_.set_propagation(&propagate_error<Out, In, Checks>);
        if (!start_child(this->awaiting_, *this->child_, this->outcome_)) return false;
        return !this->outcome_.has_value() || !ends_coroutine<Out>(this->outcome_.value());
    }
    void await_suspend(const auto&) noexcept {
        if (this->outcome_.frame_is != slot_base::fate::running)
            end_with_error<Out, Checks>(this->awaiting_, std::move(this->outcome_.value()), true);
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

/// The type of the value of a co_await of an `Output`, or of a `try_` of it.
template <class Output, bool Tries>
struct value_of_await {
    using type = Output;
};
template <class Output>
struct value_of_await<Output, true> {
    using type = typename Output::value_type;
};

/// Polls a future in place and keeps its outcome until await_resume().
/// `Out` is the awaiting coroutine's output for `try_`, and void for a plain await.
/// Lifetime: refers to the future, which lives in the awaiting coroutine's frame or outlives it.
template <class F, class Out, bool Checks>
class leaf_awaiter : protected leaf {
public:
    using future_type = F;
    using output = typename F::output_type;
    static constexpr bool tries = !std::is_void_v<Out>;
    using awaited_type = typename value_of_await<output, tries>::type;

    leaf_awaiter(frame& awaiting, F& future) noexcept
        : leaf{&leaf_awaiter::ask}, awaiting_(awaiting), polled_(future) {}
    leaf_awaiter(const leaf_awaiter&) = delete;
    leaf_awaiter& operator=(const leaf_awaiter&) = delete;

    bool await_ready() noexcept { return poll(*awaiting_.root->active) && !failed(); }

    void await_suspend(const auto&) noexcept {
        if constexpr (tries) {
            if (failed()) return end_with_error<Out, Checks>(awaiting_, std::move(polled_.value()));
        }
        wait_for(awaiting_, *this);
    }

    awaited_type take() {
        if constexpr (!tries) {
            return polled_.take(source_location_of(awaiting_.where));
        } else {
            if (polled_.has_value()) throw_if_rethrown<Out>(polled_.value());
            if constexpr (std::is_void_v<awaited_type>) {
                static_cast<void>(polled_.take(source_location_of(awaiting_.where)));
            } else {
                return awaited_type(*polled_.take(source_location_of(awaiting_.where)));
            }
        }
    }

protected:
    static leaf_answer ask(leaf& self, context& cx, leaf_request what) {
        // SAFETY: only this class's constructor, or checked_awaiter's, installs this function, in its own base.
        auto& me = static_cast<leaf_awaiter&>(self);
        return what == leaf_request::poll ? me.poll_again(cx) : me.cancel(cx);
    }

    /// Returns whether there is an output that is not an error.
    [[nodiscard]] bool has_succeeded() noexcept {
        if constexpr (is_expected<output>) {
            return polled_.has_value() && polled_.value().has_value();
        } else {
            return polled_.has_value();
        }
    }
    /// Returns the future.
    /// Preconditions: it has not thrown.
    [[nodiscard]] const F& awaited_future() noexcept { return polled_.future(); }

private:
    bool failed() noexcept {
        if constexpr (tries) {
            return polled_.has_value() && ends_coroutine<Out>(polled_.value());
        } else {
            return false;
        }
    }

    bool poll(context& cx) noexcept {
        await_call_site::set(cx, awaiting_.where);
        return polled_.poll(cx, awaiting_.root);
    }

    leaf_answer poll_again(context& cx) noexcept {
        if (!poll(cx)) return leaf_answer::not_ready;
        if constexpr (tries) {
            if (failed()) {
                end_with_error<Out, Checks>(awaiting_, std::move(polled_.value()));
                return leaf_answer::ended;
            }
        }
        return leaf_answer::ready;
    }

    leaf_answer cancel(context& cx) {
        if constexpr (cancellable_future<F>) {
            if (!polled_.future().poll_cancel(cx).is_ready()) return leaf_answer::not_ready;
        }
        return leaf_answer::ready;
    }

    frame& awaiting_;
    polled<F, keeps_output<F> && !tries> polled_;
};

/// A future that is ready as soon as its task is woken, for any reason. Its class declares
/// `static constexpr bool ends_when_woken = true`.
template <class F>
concept ends_when_woken = F::ends_when_woken;

/// Awaits a future that ends when its task is woken and has no output. The future is polled only once.
template <class F>
class wake_awaiter : leaf {
public:
    static_assert(std::is_void_v<typename F::output_type>);
    using awaited_type = void;

    wake_awaiter(frame& awaiting, F& future) noexcept : leaf{nullptr}, awaiting_(awaiting), future_(future) {}
    wake_awaiter(const wake_awaiter&) = delete;
    wake_awaiter& operator=(const wake_awaiter&) = delete;

    bool await_ready() { return future_.poll(*awaiting_.root->active).is_ready(); }
    void await_suspend(const auto&) noexcept { wait_for(awaiting_, *this); }
    void take() const noexcept {}

private:
    frame& awaiting_;
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
    return coroutine.is_root() ? call_site_of(coroutine.active->where()) : coroutine.parent->where;
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
    constexpr bool safe = std::is_lvalue_reference_v<A> || !is_marked<F>;
    static_assert(
        safe,
        "eddy: GCC 12 destroys a closure's captures twice inside a co_await expression; name the future first, "
        "and await it as an lvalue: `auto work = ...; co_await work;`");
    constexpr bool movable = gives_what_moves<F>();
    static_assert(movable || is_entered<F>,  // a coroutine's promise reports this error itself
                  "eddy: this future's output is moved to the awaiting coroutine, and its type cannot be moved");
    if constexpr (!safe || !movable) {
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
                      "eddy: this cannot be awaited: it is not a future, which needs output_type and "
                      "poll_result<output_type> poll(context&); a plain result goes through try_");
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
