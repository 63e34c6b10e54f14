// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>

// Checks for the result of a poll. If a check fails, it throws `misuse` with the caller's source location. This fails a
// test in any test framework.

namespace eddy::test {

/// Returns the output of a poll that must be ready.
/// Errors: throws misuse if the poll is not ready.
template <class T>
T assert_ready(poll_result<T> answer, std::source_location where = std::source_location::current()) {
    if (!answer.is_ready()) throw misuse("assert_ready: the future returned not_ready", where);
    return *std::move(answer);
}

/// Checks that a poll is not ready.
/// Errors: throws misuse if it is ready.
template <class T>
void assert_pending(const poll_result<T>& answer, std::source_location where = std::source_location::current()) {
    if (answer.is_ready()) throw misuse("assert_pending: the future was ready", where);
}

/// Returns the value of a poll that must be ready with a value.
/// Errors: throws misuse if the poll is not ready, or is ready with an error.
template <class T, class E>
T assert_ready_ok(poll_result<std::expected<T, E>> answer,
                  std::source_location where = std::source_location::current()) {
    auto output = assert_ready(std::move(answer), where);
    if (!output) {
        std::string text = "assert_ready_ok: the future was ready with an error";
        if constexpr (requires { output.error().message(); }) text += ": " + output.error().message();
        throw misuse(text, where);
    }
    if constexpr (!std::is_void_v<T>) return *std::move(output);
}

/// Returns the error of a poll that must be ready with an error.
/// Errors: throws misuse if the poll is not ready, or is ready with a value.
template <class T, class E>
E assert_ready_error(poll_result<std::expected<T, E>> answer,
                     std::source_location where = std::source_location::current()) {
    auto output = assert_ready(std::move(answer), where);
    if (output) throw misuse("assert_ready_error: the future was ready with a value", where);
    return std::move(output).error();
}

}  // namespace eddy::test
