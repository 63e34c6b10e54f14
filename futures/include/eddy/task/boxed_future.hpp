// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/task/task.hpp>

namespace eddy {

template <class T>
class boxed_future;

namespace detail {

/// An rvalue of a future that boxed_future<T> moves into a coroutine frame.
template <class F, class T>
concept boxable = !std::is_lvalue_reference_v<F> && !std::same_as<F, boxed_future<T>> && !std::same_as<F, task<T>> &&
                  future<F> && std::same_as<output_t<F>, T>;

}  // namespace detail

/// A type-erased future with output `T`, for containers and interfaces. A `task<T>` converts without cost; any other
/// future is moved into a coroutine frame. Awaiting an rvalue boxed_future is as cheap as awaiting a task.
/// Cancel safety: same as the wrapped future.
/// Thread safety: same as the wrapped future.
/// Lifetime: owns the wrapped future. Whatever that future borrows must outlive this object.
/// Cost: no allocation for a task; one block from the frame pool for any other future.
template <class T = void>
class [[nodiscard, gnu::warn_unused]] boxed_future : public future_ops<boxed_future<T>> {
public:
    using output_type = T;

    /// Wraps a task.
    boxed_future(task<T> inner) noexcept : inner_(std::move(inner)) {}

    /// Wraps any other future with output `T`. It must be an rvalue.
    template <class F>
        requires detail::boxable<F, T>
    boxed_future(F&& inner) : inner_(in_a_frame(std::forward<F>(inner))) {}

    poll_result<T> poll(context& cx) { return inner_.poll(cx); }
    poll_result<void> poll_cancel(context& cx) { return inner_.poll_cancel(cx); }

    static constexpr auto wait_shape() { return inspect::waits_as(&boxed_future::inner_); }

    friend auto awaited_object(const boxed_future& me) noexcept { return awaited_object(me.inner_); }

private:
    template <class U>
    friend detail::frame* enter_frame(boxed_future<U>& used, std::source_location where);

    // With EDDY_CHECKS, messages contain the location where the boxed_future is awaited or polled.
    template <class F, bool Checks = detail::has_checks>
    static task<T> in_a_frame(F inner) {
        if constexpr (Checks) {
            co_return co_await detail::in_name_of_caller<F&>(inner);
        } else {
            co_return co_await inner;
        }
    }

    task<T> inner_;
};

/// Customization point for co_await, found by argument-dependent lookup; see the overload for task.
template <class T>
detail::frame* enter_frame(boxed_future<T>& used, std::source_location where) {
    return enter_frame(used.inner_, where);
}

}  // namespace eddy
