// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// A description of the error in an `expected`.
struct unread_error {
    std::error_code code;  ///< empty if the error has none
    std::string message;

    unread_error() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The failure of an outcome that no code has taken: an exception, an error, or none. It has only two pointers, because
/// one object is created at the end of each task.
struct unread_failure {
    std::exception_ptr thrown;
    unread_error* error = nullptr;  ///< owned; a std::unique_ptr would be compiled again in each program

    unread_failure() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    explicit unread_failure(std::exception_ptr exception) noexcept : thrown(std::move(exception)) {}
    unread_failure(unread_failure&& other) noexcept
        : thrown(std::move(other.thrown)), error(std::exchange(other.error, nullptr)) {}
    unread_failure& operator=(unread_failure&&) = delete;
    ~unread_failure() {
        if (error != nullptr) destroy_error(error);
    }

    explicit operator bool() const noexcept { return error != nullptr || thrown != nullptr; }

private:
    EDDY_API static void destroy_error(unread_error* error) noexcept;
};

/// Returns a description of an error. errc::runtime_shutdown is not a failure of the task: returns an empty failure.
[[nodiscard]] EDDY_API unread_failure describe(const std::error_code& code, std::string&& text);

/// Describes an error of any type.
template <class E>
unread_failure describe_error(const E& error) {
    if constexpr (std::is_same_v<E, any_error>) {
        return describe(error.code(), error.report());
    } else if constexpr (has_error_code<E>) {
        std::error_code code;
        try {
            code = code_of_error(error);
        } catch (...) {  // NOLINT(bugprone-empty-catch): a join_error of a task that has thrown has no code
        }
        return describe(code, text_of_error(error));
    } else {
        return describe({}, text_of_error(error));
    }
}

/// Returns the error in an output, also in an `expected` inside of it. Returns an empty failure if there is no error,
/// or if it is errc::runtime_shutdown.
template <class T>
unread_failure error_in(const T& output) noexcept {
    if constexpr (is_expected<T>) {
        try {
            if (output.has_value()) {
                if constexpr (!std::is_void_v<typename T::value_type>) return error_in(*output);
            } else {
                return describe_error(output.error());
            }
        } catch (...) {
            return unread_failure(std::current_exception());  // thrown by the error's own functions
        }
    }
    return {};
}

/// Takes the exception, or a description of the error, out of an outcome that is about to be dropped.
template <class T, class Base>
[[nodiscard]] unread_failure take_failure(kept<T, Base>& outcome) noexcept {
    if (outcome.has_exception()) return unread_failure(std::move(outcome.exception()));
    if constexpr (is_expected<T>) {
        if (outcome.has_value()) return error_in(outcome.value());
    }
    return {};
}

}  // namespace eddy::detail
