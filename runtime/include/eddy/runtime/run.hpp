// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <functional>
#include <iterator>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/detail/error_trail.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/stored_work.hpp>
#ifndef EDDY_NO_THREADS
#include <eddy/runtime/runtime.hpp>
#endif

namespace eddy {

namespace detail {

/// Prints `Error: <text>` on standard error.
EDDY_API void print_error(const std::string& text) noexcept;

/// Runs the tasks of run().
#ifdef EDDY_NO_THREADS
class main_executor {
public:
    template <class F>
    auto block_on(F&& main, std::source_location where) {
        return loop_.run(std::forward<F>(main), where);
    }
    void wait_until_idle() { loop_.run_until_idle(); }

private:
    core loop_;
};
#else
using main_executor = runtime;
#endif

/// Makes the executor of run(). If that fails, prints the reason and returns nullopt.
[[nodiscard]] EDDY_API std::optional<main_executor> make_main_executor_or_print();

/// Prints an error that has a text, followed by `trail`. An any_error has places of its own. The trail is used if it
/// has more: it begins with the coroutines in which the error was of another type.
template <class E>
void print_error_of(const E& error, const std::string& trail) {
    if constexpr (std::is_same_v<E, any_error>) {
        const bool has_more = std::ranges::count(trail, '\n') > std::ssize(error.places());
        print_error(has_more ? error.message() + trail : error.report());
    } else if constexpr (kept_by_any_error<E>) {
        print_error(error_traits<E>::message(error) + trail);
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

/// Runs a future in a new runtime with one worker for each processor (without threads: on an event loop), and returns
/// the exit code for main():
///     int main() { return eddy::run(async_main()); }
/// `main` is a future, or a function without parameters that returns one, for example a lambda that is a coroutine. It
/// is called before the runtime is made. If the program waits for ever, this is printed after 1 s, with all tasks.
/// After blocking work, it is printed up to 15 s later; see runtime_builder::report_deadlocks().
///
/// After the future has ended, waits until the runtime is idle, that is, until all spawned tasks but those of
/// spawn_background() have ended.
///
/// Returns the value of a future of int, otherwise 0. If the output is an `expected` with an error, run() does not
/// wait. It destroys the other tasks and returns 1. If the error has a text, run() prints `Error: ...` on standard
/// error; see error_traits. The locations follow at which the error was returned and passed on by `co_await try_(...)`:
/// always for an any_error, otherwise with EDDY_CHECKS, if the future is a task. If the future throws, run() destroys
/// the other tasks and throws the exception.
///
/// The tasks that run() destroys, including background tasks, are not cancelled gracefully: finally() and shielded()
/// have no effect in them. To cancel tasks gracefully, use a runtime and its shutdown_timeout():
///     auto rt = eddy::runtime::make().value();
///     rt.block_on(async_main());
///     std::move(rt).shutdown_timeout(5s);
/// Polls that compute or block for more than 250 ms are reported on standard error; see runtime_builder::stall_limit().
/// Errors: throws `nested_runtime` inside a runtime. If the runtime cannot be made (for example because of a missing
/// driver that EDDY_DRIVER names, or too many descriptors), prints the reason and returns 1.
/// Lifetime: the future may borrow from the caller's stack. An lvalue is borrowed.
/// Cost: makes a runtime: one thread and a few descriptors for each processor, and the thread of the stall watchdog.
template <class F, bool Checks = detail::has_checks>
int run(F&& main, std::source_location where = std::source_location::current()) {
    constexpr bool is_future = future<std::remove_cvref_t<F>> || detail::makes_main<F>;
    static_assert(is_future,
                  "eddy: run takes a future, such as a task, or a function without parameters that returns one: for a "
                  "function with parameters, call the coroutine, `eddy::run(async_main(x))`");
    if constexpr (detail::makes_main<F>) {
        return run(std::invoke(main), where);
    } else if constexpr (is_future) {
        detail::check_may_block("eddy::run", where);
        auto executor = detail::make_main_executor_or_print();
        if (!executor) return 1;
        using output = output_t<F>;
        if constexpr (std::is_void_v<output>) {
            executor->block_on(std::forward<F>(main), where);
            executor->wait_until_idle();
            return 0;
        } else {
            const detail::main_trail<Checks && detail::is_expected<output>> trail(main);
            const output answer = executor->block_on(std::forward<F>(main), where);
            if constexpr (detail::is_expected<output>) {
                if (!answer) {
                    detail::print_error_of(answer.error(), trail.text());
                    return 1;
                }
            }
            executor->wait_until_idle();
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
