// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime.hpp>

namespace eddy {

namespace detail {

/// Prints `Error: <text>` on standard error.
EDDY_API void print_error(const std::string& text) noexcept;

/// Nothing if there can be no runtime; why has been printed then.
[[nodiscard]] EDDY_API std::optional<runtime> make_runtime_or_print();

/// Errors that have a text: an error code, an error class of the library, an exception's what(), or text itself.
template <class E>
void print_error_of(const E& error) {
    if constexpr (std::is_convertible_v<const E&, std::error_code>) {
        print_error(std::error_code(error).message());
    } else if constexpr (requires {
                             { error.to_error_code() } -> std::convertible_to<std::error_code>;
                         }) {
        print_error(error.to_error_code().message());
    } else if constexpr (requires {
                             { error.what() } -> std::convertible_to<std::string>;
                         }) {
        print_error(error.what());
    } else if constexpr (std::is_convertible_v<const E&, std::string>) {
        print_error(error);
    }
}

template <class T>
int exit_code(const T& value) {
    if constexpr (std::is_same_v<T, int>) {
        return value;
    } else {
        return 0;
    }
}

}  // namespace detail

/// Runs a future to its end in a runtime made for it, with a worker for each processor, and returns what main() should:
/// `int main() { return eddy::run(async_main()); }`. Waits until the runtime is idle: until all that was spawned has
/// ended, too, but for spawn_background().
///
/// Returns the value of a future of int, and else 0. If the output is an `expected` with an error, it does not wait:
/// the rest is cancelled, an error that has a text is printed as `Error: ...` on standard error, and the code is 1. An
/// exception that leaves the future leaves run() in the same way, without waiting.
/// Errors: throws `nested_runtime` inside a runtime. If the runtime cannot be made (for want of descriptors, or of the
/// driver that EDDY_DRIVER names), why is printed, and the code is 1. Lifetime: the future may borrow from the caller's
/// stack. Cost: makes a runtime: a thread and a few descriptors for each processor.
template <class F>
int run(F&& main, std::source_location where = std::source_location::current()) {
    constexpr bool is_future = future<std::remove_cvref_t<F>>;
    static_assert(is_future, "eddy: run takes a future, such as a task: call the coroutine, `eddy::run(async_main())`");
    if constexpr (is_future) {
        detail::check_may_block("eddy::run", where);
        const auto pool = detail::make_runtime_or_print();
        if (!pool) return 1;
        using output = output_t<F>;
        if constexpr (std::is_void_v<output>) {
            pool->block_on(std::forward<F>(main), where);
            pool->wait_until_idle();
            return 0;
        } else {
            const output answer = pool->block_on(std::forward<F>(main), where);
            if constexpr (detail::is_expected<output>) {
                if (!answer) {
                    detail::print_error_of(answer.error());
                    return 1;
                }
            }
            pool->wait_until_idle();
            if constexpr (!detail::is_expected<output>) {
                return detail::exit_code(answer);
            } else if constexpr (std::is_void_v<typename output::value_type>) {
                return 0;
            } else {
                return detail::exit_code(*answer);
            }
        }
    }
}

}  // namespace eddy
