// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <eddy/future/future.hpp>

// How combinators call user-provided functions. If a value has a member `into_parts() &&` that returns a std::tuple
// (for example net::accepted) and the function does not accept the value itself, the parts become the arguments.

namespace eddy::detail {

/// The return type of into_parts(); void if `V` has none.
template <class V>
struct parts_of {
    using type = void;
};
template <class V>
    requires requires(V&& value) { std::move(value).into_parts(); }
struct parts_of<V> {
    using type = decltype(std::declval<V>().into_parts());
};

/// Whether `Fn` can be called with the elements of the tuple `Parts`.
template <class Fn, class Parts>
inline constexpr bool takes_parts = false;
template <class Fn, class... Part>
inline constexpr bool takes_parts<Fn, std::tuple<Part...>> = std::is_invocable_v<Fn, Part...>;

/// Whether `Fn` can be called with a `V`, or with the parts of a `V`; if `V` is void, without arguments.
/// `Fn` is an lvalue reference if the function is called as an lvalue.
template <class Fn, class V>
inline constexpr bool takes = std::is_invocable_v<Fn, V> || takes_parts<Fn, typename parts_of<V>::type>;
template <class Fn>
inline constexpr bool takes<Fn, void> = std::is_invocable_v<Fn>;

/// The outcome of a function that returned an `R`: the output of `R` if it is a future, else `R` itself.
template <class R>
struct outcome_of : std::type_identity<R> {};
template <future R>
struct outcome_of<R> : std::type_identity<output_t<R>> {};

/// Calls `f` without arguments, with `value`, or with the parts of `value`.
template <class Fn>
auto call_with(Fn&& f) {
    return std::invoke(std::forward<Fn>(f));
}

template <class Fn, class V>
auto call_with(Fn&& f, V&& value) {
    if constexpr (std::is_invocable_v<Fn, V>) {
        return std::invoke(std::forward<Fn>(f), std::forward<V>(value));
    } else {
        return std::apply(std::forward<Fn>(f), std::forward<V>(value).into_parts());
    }
}

template <class Fn, class V>
struct call_result {
    using type = decltype(detail::call_with(std::declval<Fn>(), std::declval<V>()));
};
template <class Fn>
struct call_result<Fn, void> {
    using type = decltype(detail::call_with(std::declval<Fn>()));
};

/// The return type of call_with(), decayed.
/// Preconditions: takes<Fn, V>.
template <class Fn, class V>
using call_result_t = typename call_result<Fn, V>::type;

/// Calls `f` with `value`, or without arguments if `V` is void. Returns std::monostate if `f` returns void.
template <class V, class Fn, class Stored>
stored_t<call_result_t<Fn, V>> call_stored(Fn&& f, Stored&& value) {
    const auto invoke = [&] {
        if constexpr (std::is_void_v<V>) {
            return detail::call_with(std::forward<Fn>(f));
        } else {
            return detail::call_with(std::forward<Fn>(f), std::forward<Stored>(value));
        }
    };
    if constexpr (std::is_void_v<call_result_t<Fn, V>>) {
        invoke();
        return {};
    } else {
        return invoke();
    }
}

}  // namespace eddy::detail
