// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/future.hpp>

// How combinators call what they are given. A value with parts (`into_parts() &&` gives a std::tuple, as of
// net::accepted) is offered to the function as several arguments, when it does not take the value itself.

namespace eddy::detail {

template <class V>
struct parts_of {
    using type = void;
};
template <class V>
    requires requires(V&& value) { std::move(value).into_parts(); }
struct parts_of<V> {
    using type = decltype(std::declval<V>().into_parts());
};

template <class Fn, class Parts>
inline constexpr bool takes_parts = false;
template <class Fn, class... Part>
inline constexpr bool takes_parts<Fn, std::tuple<Part...>> = std::is_invocable_v<Fn, Part...>;

/// Whether `Fn` (a reference if it is called as an lvalue) takes a `V`, as it is or in parts; with V void, nothing.
template <class Fn, class V>
inline constexpr bool takes = std::is_invocable_v<Fn, V> || takes_parts<Fn, typename parts_of<V>::type>;
template <class Fn>
inline constexpr bool takes<Fn, void> = std::is_invocable_v<Fn>;

template <class Fn>
auto call(Fn&& f) {
    return std::invoke(std::forward<Fn>(f));
}

template <class Fn, class V>
auto call(Fn&& f, V&& value) {
    if constexpr (std::is_invocable_v<Fn, V>) {
        return std::invoke(std::forward<Fn>(f), std::forward<V>(value));
    } else {
        return std::apply(std::forward<Fn>(f), std::forward<V>(value).into_parts());
    }
}

template <class Fn, class V>
struct call_result {
    using type = decltype(detail::call(std::declval<Fn>(), std::declval<V>()));
};
template <class Fn>
struct call_result<Fn, void> {
    using type = decltype(detail::call(std::declval<Fn>()));
};

/// What `call` returns: by value. To be named only where `takes<Fn, V>`.
template <class Fn, class V>
using call_result_t = typename call_result<Fn, V>::type;

/// Calls `f` with `value`, or with nothing where `V` is void; returns std::monostate where `f` returns void.
template <class V, class Fn, class Stored>
stored_t<call_result_t<Fn, V>> call_stored(Fn&& f, Stored&& value) {
    const auto invoke = [&] {
        if constexpr (std::is_void_v<V>) {
            return detail::call(std::forward<Fn>(f));
        } else {
            return detail::call(std::forward<Fn>(f), std::forward<Stored>(value));
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
