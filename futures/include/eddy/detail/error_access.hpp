// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <version>
#ifdef __cpp_lib_format
#include <format>
#endif

// The texts of errors, how they are printed, and the exception of value() for outcomes with an error class of the
// library: its text contains the error. The text of the standard's exception is always "bad access to std::expected
// without expected value".

namespace eddy::detail {

/// Whether std::expected<T, E>::value() throws an exception with the text of the error. The headers of the error
/// classes set it.
template <class E>
struct explains_access : std::false_type {};

template <class E>
concept has_what = requires(const E& error) {
    { error.what() } -> std::convertible_to<std::string>;
};
template <class E>
concept has_message = requires(const E& error) {
    { error.message() } -> std::convertible_to<std::string>;
};
template <class E>
concept has_error_code = requires(const E& error) {
    { error.to_error_code() } -> std::convertible_to<std::error_code>;
} || requires(E error) {
    { make_error_code(error) } -> std::same_as<std::error_code>;
} || std::is_convertible_v<const E&, std::error_code>;
template <class E>
concept is_text = std::is_convertible_v<const E&, std::string_view>;

/// Whether errors of this type have a text.
template <class E>
concept has_error_text = has_what<E> || has_message<E> || is_text<E> || has_error_code<E>;

/// Returns the error code of an error that has one.
template <class E>
    requires has_error_code<E>
std::error_code code_of_error(const E& error) {
    if constexpr (std::is_convertible_v<const E&, std::error_code>) {
        return error;
    } else if constexpr (requires { error.to_error_code(); }) {
        return error.to_error_code();
    } else {
        return make_error_code(error);
    }
}

/// Returns the text of an error: its what() or message(), a string, or the message of its error code.
template <class E>
std::string text_of_error(const E& error) {
    if constexpr (has_what<E>) {
        return error.what();
    } else if constexpr (has_message<E>) {
        return error.message();
    } else if constexpr (is_text<E>) {
        return std::string(std::string_view(error));
    } else if constexpr (has_error_code<E>) {
        return code_of_error(error).message();
    } else {
        return "an error of a type without a text";
    }
}

/// Has operator<< for the error classes of the library. Each namespace with such classes has a using-declaration.
namespace printing {

template <class Traits, class E>
    requires explains_access<E>::value
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& to, const E& error) {
    return to << text_of_error(error);
}

}  // namespace printing

}  // namespace eddy::detail

#ifdef __cpp_lib_format
/// Formats the text of an error class of the library, with the options of a string.
template <class E>
    requires eddy::detail::explains_access<E>::value
struct std::formatter<E> : std::formatter<std::string_view> {
    template <class Context>
    typename Context::iterator format(const E& error, Context& to) const {
        return std::formatter<std::string_view>::format(eddy::detail::text_of_error(error), to);
    }
};
#endif

template <class E>
    requires eddy::detail::explains_access<E>::value
class std::bad_expected_access<E> : public std::bad_expected_access<void> {
public:
    /// Implements the class of the standard.
    explicit bad_expected_access(E e)
        : text_("value() was called on an outcome with an error: " + eddy::detail::text_of_error(e) +
                ". Test the outcome first, or write co_await try_(...)"),
          error_(std::move(e)) {}

    [[nodiscard]] const char* what() const noexcept override { return text_.what(); }
    [[nodiscard]] E& error() & noexcept { return error_; }
    [[nodiscard]] const E& error() const& noexcept { return error_; }
    [[nodiscard]] E&& error() && noexcept { return std::move(error_); }
    [[nodiscard]] const E&& error() const&& noexcept { return std::move(error_); }

private:
    std::runtime_error text_;  // in contrast to std::string, copies do not throw
    E error_;
};
