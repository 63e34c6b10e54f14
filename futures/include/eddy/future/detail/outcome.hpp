// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/error/any_error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>

// Helpers for combinators that convert one std::expected to another. The value types may be void.

namespace eddy::detail {

/// Returns an `Out` with the value. A void value type takes no value.
template <class Out, class V>
Out with_value(V&& value) {
    if constexpr (std::is_void_v<typename Out::value_type>) {
        return Out();
    } else {
        return Out(std::in_place, std::forward<V>(value));
    }
}

/// Returns an `Out` with the error, converted to its error type.
template <class Out, class E>
Out with_error(E&& error) {
    return Out(std::unexpect, convert_error<typename Out::error_type>(std::forward<E>(error)));
}

/// Returns the value of an expected, as an rvalue; std::monostate for void.
template <class X>
decltype(auto) take_value(X& x) {
    if constexpr (std::is_void_v<typename X::value_type>) {
        return std::monostate();
    } else {
        return *std::move(x);
    }
}
template <class X>
    requires(!std::is_lvalue_reference_v<X>)
decltype(auto) take_value(X&& x) {
    return take_value(x);
}

/// Converts `x` to `Out`: a plain value becomes the value; an expected passes on its value or its error.
template <class Out, class X>
Out flatten(X&& x) {
    if constexpr (!is_expected<X>) {
        return with_value<Out>(std::forward<X>(x));
    } else {
        if (x.has_value()) return with_value<Out>(take_value(x));
        return with_error<Out>(std::move(x.error()));
    }
}

/// Whether convert_error<To>(From) compiles.
template <class From, class To>
inline constexpr bool error_converts =
    std::is_constructible_v<To, From> || (std::is_same_v<To, std::error_code> && std::is_error_code_enum_v<From>) ||
    requires(const From& error) {
        { error.to_error_code() } -> std::convertible_to<To>;
    };

/// The error type of two consecutive steps: any_error if one of them has it, otherwise the second's if the first's
/// converts to it, else the first's.
template <class First, class Second>
using joint_error_t = std::conditional_t<!std::is_same_v<First, any_error> &&
                                             (std::is_same_v<Second, any_error> || error_converts<First, Second>),
                                         Second, First>;

}  // namespace eddy::detail
