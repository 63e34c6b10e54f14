// SPDX-License-Identifier: MIT
#include "executor/task/uncaught.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/task/hook.hpp"

namespace eddy {
namespace {

/// Returns `a task spawned at FILE:LINE`, or `the task "NAME" spawned at FILE:LINE`.
std::string task_spawned_at(const std::source_location& where, std::string_view name) {
    std::string text = name.empty() ? "a task" : "the task \"" + std::string(name) + '"';
    return text + " spawned at " + where.file_name() + ':' + std::to_string(where.line());
}

}  // namespace

std::string unobserved_error::what() const {
    // The places of an any_error are on lines of their own.
    const auto end = std::min(message.find('\n'), message.size());
    return task_spawned_at(spawned_at, task_name) + " failed: " + message.substr(0, end) +
           " (no code has read this error)" + message.substr(end);
}

namespace detail {
namespace {

unobserved_error public_error(const unread_failure& failure, const std::source_location& where, std::string_view name) {
    unobserved_error made;
    made.code = failure.error->code;
    made.message = failure.error->message;
    made.spawned_at = where;
    made.task_name = name;
    return made;
}

}  // namespace

bool is_of_shutdown(const unread_failure& failure) noexcept {
    if (failure.thrown == nullptr) return false;
    try {
        std::rethrow_exception(failure.thrown);
    } catch (const std::system_error& e) {
        return is_runtime_shutdown(e.code());
    } catch (...) {
        return false;
    }
}

void print_failure(const unread_failure& failure, const std::source_location& where, std::string_view name) noexcept
    try {
    if (is_of_shutdown(failure)) return;
    const std::string line = failure.thrown != nullptr
                                 ? task_spawned_at(where, name) + " threw: " + text_of(failure.thrown)
                                 : public_error(failure, where, name).what();
    std::fprintf(stderr, "eddy: %s\n", line.c_str());
} catch (...) {
    std::fprintf(stderr, "eddy: a task spawned at %s:%u failed, and there is no memory for the text\n",
                 where.file_name(), where.line());
}

void pass_on(unread_failure& failure, const std::source_location& where, std::string_view name,
             const std::function<void(std::exception_ptr, const std::source_location&)>& on_uncaught,
             const unobserved_error_handler& on_error) noexcept {
    if (is_of_shutdown(failure)) return;
    if (failure.thrown != nullptr && on_uncaught) {
        call_hook("on_uncaught()", [&] { on_uncaught(std::move(failure.thrown), where); });
    } else if (failure.error != nullptr && on_error) {
        call_hook("on_unobserved_error()", [&] { on_error(public_error(failure, where, name)); });
    } else {
        print_failure(failure, where, name);
    }
}

void report_failure_here(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    if (spawned_task_owner* const here = this_thread.runs_here) return here->report(std::move(failure), where, name);
    print_failure(failure, where, name);
}

void report_failure(spawned_task_owner& owner, unread_failure failure, const std::source_location& where,
                    std::string_view name) noexcept {
    // `owner` may be gone, because a join handle may outlive it. Only a thread that runs its tasks knows that it
    // exists.
    if (this_thread.runs_here == &owner || this_thread.polled_local_set == &owner)
        return owner.report(std::move(failure), where, name);
    print_failure(failure, where, name);
}

}  // namespace detail
}  // namespace eddy
