// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

namespace detail {

template <class T>
inline constexpr bool is_poll_result = false;
template <class T>
inline constexpr bool is_poll_result<poll_result<T>> = true;

}  // namespace detail

/// The future that poll_fn() returns.
template <class Fn>
class [[nodiscard]] poll_fn_future : public future_ops<poll_fn_future<Fn>> {
    using answer = std::invoke_result_t<Fn&, context&>;

public:
    using output_type = typename answer::value_type;

    /// Constructs the function from `f`.
    template <class G>
    explicit poll_fn_future(std::in_place_t, G&& f) : f_(std::in_place, std::forward<G>(f)) {}

    /// Calls the function. Throws `misuse` if it was ready before.
    answer poll(context& cx) {
        if (!f_) detail::throw_has_ended("poll_fn", cx.where());
        answer result = (*f_)(cx);
        if (result.is_ready()) f_.reset();
        return result;
    }

    /// The function is shown: by what it describes itself, or by the name of its type.
    static constexpr auto wait_shape() { return inspect::waits_as(&poll_fn_future::f_); }

private:
    std::optional<Fn> f_;
};

/// Makes a future from a function that takes a `context&` and returns a `poll_result<T>`. Each poll calls the function.
/// The function is destroyed after it has returned a ready result. Before it returns `not_ready`, it must arrange that
/// the context's waker will be woken.
/// Cancel safety: same as the function, which is destroyed.
/// Lifetime: an rvalue is moved in, an lvalue is copied; use std::ref to borrow it.
/// Cost: no allocation.
template <class Fn>
[[nodiscard]] auto poll_fn(Fn&& f) {
    using kept = detail::kept_fn_t<Fn>;
    constexpr bool takes_context = std::is_invocable_v<kept&, context&>;
    static_assert(takes_context, "eddy: the function given to poll_fn must take an eddy::context&");
    if constexpr (takes_context) {
        constexpr bool answers = detail::is_poll_result<std::invoke_result_t<kept&, context&>>;
        static_assert(answers, "eddy: the function given to poll_fn must return an eddy::poll_result<T>");
        if constexpr (answers) {
            return poll_fn_future<kept>(std::in_place, std::forward<Fn>(f));
        } else {
            return detail::broken_future();
        }
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
