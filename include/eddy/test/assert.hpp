// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future.hpp>

// What a test says of the answer to a poll. Each throws `misuse` with the caller's place if it is not so: a failed test
// in any framework.

namespace eddy::test {

/// The output of a poll that must be ready.
template <class T>
T assert_ready(poll_result<T> answer, std::source_location where = std::source_location::current()) {
    if (!answer.is_ready()) throw misuse("assert_ready: the future answered not_ready", where);
    return *std::move(answer);
}

template <class T>
void assert_pending(const poll_result<T>& answer, std::source_location where = std::source_location::current()) {
    if (answer.is_ready()) throw misuse("assert_pending: the future was ready", where);
}

/// The value of a poll that must be ready, with a value.
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

/// The error of a poll that must be ready, with an error.
template <class T, class E>
E assert_ready_error(poll_result<std::expected<T, E>> answer,
                     std::source_location where = std::source_location::current()) {
    auto output = assert_ready(std::move(answer), where);
    if (output) throw misuse("assert_ready_error: the future was ready with a value", where);
    return std::move(output).error();
}

}  // namespace eddy::test
