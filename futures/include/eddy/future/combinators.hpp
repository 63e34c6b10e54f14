// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/combinator_rules.hpp>
#include <eddy/future/future_ops.hpp>

// Combinators that chain futures without a coroutine. Each function is also a member of every future of the library:
//
//     connect(addr).and_then(greet).map_err(print_error)
//
// The following holds for all of them:
// - A value with parts (for example net::accepted) is passed to the function as several arguments if the function takes
//   them.
// - The given future is destroyed when it has ended, before the function runs. The function is destroyed when the whole
//   chain has ended.
// - An exception of the future or of the function leaves the adaptor, which has then ended.
//
// Cancel safety: same as the given future and the future that the function returned.
// Thread safety: same as any future; see eddy::future.
// Lifetime: future and function are moved in; use std::ref to borrow them. The value is destroyed when the function
// returns, so a coroutine must take it as a parameter by value.
// Cost: no allocation.

namespace eddy {

/// Calls `f` with the value when `future`, whose output is an expected, has succeeded; passes an error through. `f`
/// takes the value (nothing, if it is void). It returns a plain value, an expected, a future of either, or nothing. The
/// output is an expected. Its error type is the future's, or `f`'s if the future's error converts to it.
template <class F, class Fn>
[[nodiscard]] auto and_then(F&& future, Fn&& f) {
    return detail::adapt<detail::and_then_rule>(std::forward<F>(future), std::forward<Fn>(f));
}

/// Replaces the value of an expected with the result of `f`, and passes an error through. If the output is not an
/// expected, replaces the whole output.
template <class F, class Fn>
[[nodiscard]] auto map(F&& future, Fn&& f) {
    constexpr bool of_expected = detail::is_expected_future<detail::owned_t<F>>;
    using rule = std::conditional_t<of_expected, detail::map_value_rule, detail::map_output_rule>;
    return detail::adapt<rule>(std::forward<F>(future), std::forward<Fn>(f));
}

/// Replaces the error of an expected with the result of `f` (with std::monostate, if `f` returns nothing), and passes a
/// value through.
template <class F, class Fn>
[[nodiscard]] auto map_err(F&& future, Fn&& f) {
    return detail::adapt<detail::map_err_rule>(std::forward<F>(future), std::forward<Fn>(f));
}

namespace detail {

/// Adds a context to an error, for map_err().
template <class C>
class adds_context {
public:
    template <class G>
    explicit adds_context(std::in_place_t, G&& context) : context_(std::forward<G>(context)) {}
    template <class E>
        requires(std::is_same_v<std::decay_t<E>, any_error> || kept_by_any_error<E>)
    any_error operator()(E&& error) {
        return in_context(std::forward<E>(error), context_);
    }

private:
    C context_;
};

}  // namespace detail

/// Adds what the caller was about to do to the error of an expected, which becomes an any_error:
///     auto text = co_await try_(fs::read_to_string(path).with_context("load the configuration"));
/// `context` is a text, or a function that returns one and is called for an error only. A `const char*` or a
/// std::string_view must outlive the future.
template <class F, class C>
    requires(!detail::is_expected<std::remove_cvref_t<F>>)
[[nodiscard]] auto with_context(F&& future, C&& context) {
    constexpr bool is_context = detail::context_text<C>;
    static_assert(is_context, "eddy: with_context takes a text, or a function without parameters that returns one");
    return eddy::map_err(std::forward<F>(future),
                         detail::adds_context<std::decay_t<C>>(std::in_place, std::forward<C>(context)));
}

/// Calls `f` with the error when `future`, whose output is an expected, has failed; passes a value through. `f` returns
/// a replacement value, an expected, or a future of either. The output is an expected with the value type of the
/// future. If `f` returns an expected, the output has the same error type.
template <class F, class Fn>
[[nodiscard]] auto or_else(F&& future, Fn&& f) {
    return detail::adapt<detail::or_else_rule>(std::forward<F>(future), std::forward<Fn>(f));
}

/// Calls `f` with the whole output of `future`. `f` returns a plain value or a future.
template <class F, class Fn>
[[nodiscard]] auto then(F&& future, Fn&& f) {
    return detail::adapt<detail::then_rule>(std::forward<F>(future), std::forward<Fn>(f));
}

}  // namespace eddy
