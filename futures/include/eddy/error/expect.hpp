// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// Thrown by expect() and value_of() for an outcome with an error. Its text has the expectation, the error, and the
/// file and line of the caller. If no code catches it, the program prints "Error: ", the text and the places of the
/// error, and ends with exit code 1.
/// Thread safety: a plain value.
class EDDY_API unmet_expectation : public std::runtime_error {
public:
    /// Constructs the exception from an error and the source location of the caller.
    unmet_expectation(any_error error, std::source_location where);

    /// Returns the error. The expectation is its outermost context.
    [[nodiscard]] const any_error& error() const noexcept { return error_; }
    /// Returns the source location of the caller.
    [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

private:
    any_error error_;
    std::source_location where_;
};

namespace detail {

/// Throws unmet_expectation. `expectation` may be empty. Uncaught exceptions of this type end the program with exit
/// code 1 from now on.
[[noreturn]] EDDY_API void throw_unmet(any_error error, std::string_view expectation, std::source_location where);

/// Converts an error to any_error, also one of a type without a text.
template <class E>
any_error unmet_error(E&& error) {
    if constexpr (std::is_convertible_v<E, any_error>) {
        return std::forward<E>(error);
    } else {
        return text_of_error(error);
    }
}

}  // namespace detail

/// Returns the value of any std::expected; for an lvalue, a reference. Where an error is not worth handling:
///     auto listener = eddy::expect(eddy::net::tcp_listener::bind(at, core.handle()), "bind the listener");
/// Errors: throws `unmet_expectation` for an error. If no code catches it, the program ends with exit code 1 and prints
/// the text: "Error: bind the listener: Address already in use (at main.cpp:12)".
template <class X>
    requires detail::is_expected<std::remove_cvref_t<X>>
auto expect(X&& outcome, std::string_view expectation, std::source_location where = std::source_location::current())
    -> std::conditional_t<std::is_lvalue_reference_v<X>, decltype(*std::forward<X>(outcome)),
                          typename std::remove_cvref_t<X>::value_type> {
    if (!outcome) [[unlikely]]
        detail::throw_unmet(detail::unmet_error(std::forward<X>(outcome).error()), expectation, where);
    return *std::forward<X>(outcome);
}

/// Same as expect(), without a text of the caller.
/// Errors: throws `unmet_expectation` for an error.
template <class X>
    requires detail::is_expected<std::remove_cvref_t<X>>
decltype(auto) value_of(X&& outcome, std::source_location where = std::source_location::current()) {
    return eddy::expect(std::forward<X>(outcome), std::string_view(), where);
}

}  // namespace eddy
