// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn_blocking.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::fs {
namespace detail {

/// The work of an operation, with all that it needs: it can outlive the operation's future.
template <class T>
class work {
public:
    work() = default;
    work(const work&) = delete;
    work& operator=(const work&) = delete;
    virtual ~work() = default;

    /// Does the work, on a thread that may block.
    [[nodiscard]] virtual result<T> run() = 0;
    /// Makes an error of this operation.
    [[nodiscard]] virtual error fail(std::error_code code) const = 0;
};

/// What a job returns. A result by itself would be reported as an unread error if the operation was dropped.
template <class T>
struct finished {
    result<T> output;
    explicit finished(result<T>&& made) : output(std::move(made)) {}
};

/// Returns the error code of a join: errc::runtime_shutdown if the job was cancelled, or why it got no thread.
[[nodiscard]] EDDY_API std::error_code code_of(const join_error& error);

}  // namespace detail

/// A future that does its work on a thread for blocking work, like spawn_blocking(). It begins when it is polled.
///
/// Output: a `result<T>`.
/// Errors: any error of the function that made it; errc::runtime_shutdown if the runtime shuts down before the work
/// begins.
/// Cancel safety: work that no thread has begun does not happen if the future is destroyed. Work that has begun
/// finishes, and its result is destroyed: memory is freed, descriptors are closed.
/// Lifetime: owns its arguments.
/// Cost: two allocations, and a switch to another thread and back.
template <class T>
class [[nodiscard("a future does nothing until it is awaited, spawned or run"), gnu::warn_unused]] operation
    : public future_ops<operation<T>> {
public:
    using output_type = result<T>;

    /// For the library: constructs a future of `work`.
    explicit operation(std::unique_ptr<detail::work<T>> work) noexcept : work_(std::move(work)) {}
    operation(operation&& other) noexcept : work_(std::move(other.work_)), job_(std::move(other.job_)) {
        other.job_.reset();
    }
    operation& operator=(operation&&) = delete;
    ~operation() { abort(); }

    poll_result<output_type> poll(context& cx) {
        if (!job_) {
            if (!work_) eddy::detail::throw_has_ended("an operation on files", cx.where());
            job_.emplace(spawn_blocking([mine = work_] { return detail::finished<T>(mine->run()); }, cx.where()));
        }
        auto done = job_->poll(cx);
        if (!done) return not_ready;
        job_.reset();
        const auto mine = std::exchange(work_, nullptr);
        if (*done) return std::move((*done)->output);
        return output_type(std::unexpect, mine->fail(detail::code_of(done->error())));
    }

    /// Does the work on this thread, which it blocks: for code that is on a thread for blocking work already.
    /// Preconditions: the future was not polled.
    output_type run_here(const std::source_location& where = std::source_location::current()) && {
        if (!work_) eddy::detail::throw_has_ended("an operation on files", where);
        return std::exchange(work_, nullptr)->run();
    }

    /// Prevents the work if no thread has begun it. The output then is errc::runtime_shutdown.
    void abort() noexcept {
        if (job_) job_->abort();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&operation::job_); }

private:
    std::shared_ptr<detail::work<T>> work_;  // shared with the job
    std::optional<join_handle<detail::finished<T>>> job_;
};

}  // namespace eddy::fs
EDDY_END_FALSE_UNINITIALIZED
