// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

// The exception of value() for outcomes with an error class of the library: its text contains the error. The text of
// the standard's exception is always "bad access to std::expected without expected value".

namespace eddy::detail {

/// Whether std::expected<T, E>::value() throws an exception with the text of the error. The headers of the error
/// classes set it.
template <class E>
struct explains_access : std::false_type {};

/// Returns the text of an error of the library.
template <class E>
std::string text_of_error(const E& error) {
    if constexpr (requires { error.what(); }) {
        return error.what();
    } else if constexpr (requires { error.message(); }) {
        return error.message();
    } else if constexpr (requires { error.to_error_code(); }) {
        return error.to_error_code().message();
    } else {
        return make_error_code(error).message();
    }
}

}  // namespace eddy::detail

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
