// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/loop_answer.hpp>
#include <eddy/error.hpp>
#include <eddy/runtime/core_handle.hpp>

namespace eddy::inline v0_1 {

namespace detail {

/// Throws if this thread must not wait for an answer of the event loop: `nested_runtime` if it runs tasks, and `misuse`
/// if it is the thread of that loop, unless the answer has arrived.
EDDY_API void check_may_await_answer(const core_shared& loop, bool has_arrived, std::source_location where);

}  // namespace detail

/// The answer of an event loop to core_remote::call(). It may be destroyed without get(); the work runs nevertheless.
/// Thread safety: one thread at a time.
template <class T>
class core_answer {
public:
    /// For use by core_remote::call().
    core_answer(std::shared_ptr<detail::loop_answer<T>> answer, const core_remote& from) noexcept
        : answer_(std::move(answer)), from_(from) {}

    /// Blocks this thread until the work has ended, and returns its output. Call it once.
    /// Errors: throws the exception of the work, or std::system_error with errc::runtime_shutdown if the event loop has
    /// ended before the work. As wait(), throws `nested_runtime` on a thread that runs tasks of an event loop or a
    /// runtime, because those could not run meanwhile. Throws `misuse` on the thread of the event loop, if the work has
    /// not ended, because the loop could not run meanwhile; and if get() was called before.
    T get(std::source_location where = std::source_location::current()) {
        if (!answer_) {
            throw misuse("get() of core_remote::call() was called twice, or on an answer that was moved from", where);
        }
        detail::check_may_await_answer(*from_.loop_, answer_->has_arrived(), where);
        return std::exchange(answer_, nullptr)->take(where);
    }

private:
    std::shared_ptr<detail::loop_answer<T>> answer_;  // null after get()
    core_remote from_;
};

}  // namespace eddy
