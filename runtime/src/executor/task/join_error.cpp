// SPDX-License-Identifier: MIT
#include <eddy/task/join_handle.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/runtime/handle.hpp>

#include "executor/task/no_thread.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy {
namespace detail {

/// A std::system_error whose what() does not append the text of the code, which would repeat the cancellation.
class task_was_cancelled final : public std::system_error {
public:
    explicit task_was_cancelled(const std::string& text)
        : std::system_error(make_error_code(errc::task_cancelled)), text_(text) {}
    [[nodiscard]] const char* what() const noexcept override { return text_.what(); }

private:
    std::runtime_error text_;  // in contrast to std::string, copies do not throw
};

void rethrow_from_block_on(const join_error& failed, std::source_location where) {
    if (!failed.is_cancelled()) failed.rethrow();
    // A misuse has the source location in its text.
    throw task_was_cancelled(
        misuse("block_on() did not run its future to the end, because the runtime was shut down or destroyed, before "
               "the call or meanwhile: keep the runtime until block_on() has returned (a handle does not keep it "
               "alive)",
               where)
            .what());
}

}  // namespace detail

join_error::join_error(task_id id, std::exception_ptr thrown) noexcept : id_(id), thrown_(std::move(thrown)) {}

join_error::join_error(task_id id, std::exception_ptr thrown, std::source_location spawned_at) noexcept
    : id_(id),
      thrown_(std::move(thrown)),
      unread_of_(thrown_ == nullptr ? nullptr : detail::call_site_of(spawned_at)) {}

join_error::join_error(const join_error& other) noexcept : id_(other.id_), thrown_(other.thrown_) {
    other.mark_as_read();
}

join_error::join_error(join_error&& other) noexcept
    : id_(other.id_), thrown_(std::move(other.thrown_)), unread_of_(other.mark_as_read()) {}

join_error& join_error::operator=(join_error other) noexcept {
    std::swap(id_, other.id_);
    std::swap(thrown_, other.thrown_);
    // Now `other` has the former value of this error, which its destructor reports if it was not read.
    unread_of_.store(other.unread_of_.exchange(unread_of_.load(relaxed), relaxed), relaxed);
    return *this;
}

join_error::~join_error() {
    const detail::call_site unread = unread_of_.load(relaxed);
    if (unread == nullptr) return;
    detail::report_failure_here(detail::unread_failure(std::move(thrown_)), detail::source_location_of(unread));
}

void join_error::rethrow() const {
    if (is_cancelled()) throw detail::task_was_cancelled(what());
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
