// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <expected>
#include <functional>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy {

namespace detail {

template <class A>
concept awaiter = requires(A& a) {
    static_cast<bool>(a.await_ready());
    a.await_resume();
};

/// Whether a plain C++ coroutine can await an rvalue of this type.
template <class A>
concept awaitable = requires(A&& a) { std::forward<A>(a).operator co_await(); } ||
                    requires(A&& a) { operator co_await(std::forward<A>(a)); } || awaiter<A>;

template <class A>
decltype(auto) awaiter_of(A&& a) {
    if constexpr (requires { std::forward<A>(a).operator co_await(); }) {
        return std::forward<A>(a).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<A>(a)); }) {
        return operator co_await(std::forward<A>(a));
    } else {
        return std::forward<A>(a);
    }
}

/// The output of awaiting an rvalue of `A`, as a value type.
template <class A>
using awaited_t = std::remove_cvref_t<decltype(awaiter_of(std::declval<A>()).await_resume())>;

template <class A>
struct unwrapped_awaitable {
    using type = A&&;
};
template <class A>
struct unwrapped_awaitable<std::reference_wrapper<A>> {
    using type = A&;
};

/// A coroutine that starts at once, and whose frame destroys itself at its end.
struct detached_coroutine {
    struct promise_type {
        detached_coroutine get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // the body catches all exceptions
    };
};

/// The output or the exception of an awaitable.
template <class T>
using awaited_outcome = std::expected<stored_t<T>, std::exception_ptr>;

/// Awaits `awaitable` and sends its outcome. The library that completes the awaitable resumes this coroutine, on any
/// thread.
template <class A, class T>
detached_coroutine await_and_send(A awaitable, typename sync::oneshot<awaited_outcome<T>>::sender done) {
    using as = typename unwrapped_awaitable<A>::type;
    std::optional<awaited_outcome<T>> outcome;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await static_cast<as>(awaitable);
            outcome.emplace();
        } else {
            T value = co_await static_cast<as>(awaitable);
            outcome.emplace(std::in_place, std::move(value));
        }
    } catch (...) {
        outcome.emplace(std::unexpect, std::current_exception());
    }
    static_cast<void>(done.send(*std::move(outcome)));  // an error: the future is gone
}

}  // namespace detail

/// The future that from_awaitable() returns.
template <class A>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] awaitable_future
    : public future_ops<awaitable_future<A>> {
    using as = typename detail::unwrapped_awaitable<A>::type;

public:
    using output_type = detail::awaited_t<as>;

    /// Takes ownership of `awaitable`.
    explicit awaitable_future(A&& awaitable) : awaitable_(std::move(awaitable)) {}

    poll_result<output_type> poll(context& cx) {
        if (!outcome_) start(cx);
        auto answer = outcome_->poll(cx);
        if (!answer.is_ready()) return not_ready;
        auto& received = *answer;
        if (!received.has_value()) {
            throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                                    "the awaited operation was destroyed before it ended");
        }
        if (!received->has_value()) std::rethrow_exception(received->error());
        if constexpr (std::is_void_v<output_type>) {
            return poll_result<void>::ready();
        } else {
            return std::move(**received);
        }
    }

    /// Waits until the operation has ended, and drops its output. Returns ready immediately if the operation was not
    /// started.
    poll_result<void> poll_cancel(context& cx) {
        if (outcome_ && !outcome_->poll(cx).is_ready()) return not_ready;
        awaitable_.reset();
        return poll_result<void>::ready();
    }

private:
    using channel = sync::oneshot<detail::awaited_outcome<output_type>>;

    void start(context& cx) {
        if (!awaitable_) detail::throw_has_ended("from_awaitable", cx.where());
        auto ends = channel::channel();
        outcome_.emplace(std::move(ends.receiver));
        A awaitable = *std::move(awaitable_);
        awaitable_.reset();
        detail::await_and_send<A, output_type>(std::move(awaitable), std::move(ends.sender));
    }

    std::optional<A> awaitable_;  // until the first poll
    std::optional<typename channel::receiver> outcome_;
};

/// Makes a future of a plain C++ awaitable, for example a coroutine type of another library, to await it in a task:
///     auto reply = co_await eddy::from_awaitable(other_library::fetch(url));
/// The first poll begins the await on the thread of the task. The other library may resume it on any thread; the task
/// continues on its own executor. A reference output is copied or moved to a value.
///
/// Errors: throws the exception of the awaitable; throws std::system_error with std::errc::operation_canceled if the
/// other library destroys the coroutine that awaits.
/// Cancel safety: a plain awaitable cannot be cancelled. If its task is cancelled gracefully, the task waits for it. If
/// the future is destroyed without a graceful cancellation, the operation continues on its own, and its output is lost.
/// In that case the operation must not refer to locals of the task.
/// Lifetime: `awaitable` is moved in. With std::ref it is borrowed, and must exist until the operation has ended.
/// Cost: one allocation for the coroutine that awaits, and one block of the frame pool.
template <class A>
[[nodiscard]] auto from_awaitable(A&& awaitable) {
    constexpr bool given = !std::is_lvalue_reference_v<A>;
    static_assert(given, "eddy: from_awaitable takes ownership: write std::move(x), or std::ref(x) to keep it");
    using owned = std::remove_cvref_t<A>;
    constexpr bool fits = !given || detail::awaitable<typename detail::unwrapped_awaitable<owned>::type>;
    static_assert(fits, "eddy: this is not an awaitable: it has neither operator co_await nor await_ready()");
    if constexpr (given && fits) {
        return awaitable_future<owned>(std::forward<A>(awaitable));
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
