// SPDX-License-Identifier: MIT
#include <eddy/task/join_handle.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/unread_failure.hpp>

#include "runtime/no_thread.hpp"
#include "runtime/uncaught.hpp"

namespace eddy {
namespace {

/// A std::system_error whose what() does not append the text of the code, which would repeat that the task was
/// cancelled.
class task_was_cancelled final : public std::system_error {
public:
    explicit task_was_cancelled(const std::string& text)
        : std::system_error(make_error_code(errc::task_cancelled)), text_(text) {}
    [[nodiscard]] const char* what() const noexcept override { return text_.what(); }

private:
    std::runtime_error text_;  // in contrast to std::string, copies do not throw
};

}  // namespace

void join_error::report_unread() noexcept {
    detail::report_failure_here(detail::unread_failure(std::move(thrown_)),
                                detail::source_location_of(unread_of_.load(relaxed)));
}

void join_error::rethrow() const {
    if (is_cancelled()) throw task_was_cancelled(what());
    std::rethrow_exception(thrown_);
}

std::string join_error::what() const {
    const std::string task = "task " + std::to_string(id_);
    if (is_cancelled()) return task + " was cancelled, by abort() or since its runtime shut down";
    try {
        std::rethrow_exception(thrown_);
    } catch (const detail::no_blocking_thread& unstarted) {
        return task + " did not start: " + unstarted.what();
    } catch (const std::exception& thrown) {
        return task + " threw: " + thrown.what();
    } catch (...) {
        return task + " threw an exception that is not a std::exception";
    }
}

std::error_code join_error::to_error_code() const {
    if (is_cancelled()) return make_error_code(errc::task_cancelled);
    try {
        rethrow();
    } catch (const detail::no_blocking_thread& unstarted) {
        return unstarted.code();
    }
}

}  // namespace eddy
