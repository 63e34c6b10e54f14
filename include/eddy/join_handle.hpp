// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <expected>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

namespace detail {
struct join_access;
}  // namespace detail

/// A number that no other task of this process has had; 0 stands for no task.
using task_id = std::uint64_t;

/// Why a task has no output: it was cancelled, or an exception left it.
class EDDY_API join_error {
public:
    /// A null pointer says that the task was cancelled.
    explicit join_error(task_id id, std::exception_ptr thrown) noexcept : id_(id), thrown_(std::move(thrown)) {}

    /// By abort(), or since its runtime shut down.
    [[nodiscard]] bool is_cancelled() const noexcept { return thrown_ == nullptr; }
    /// The exception that left the task; null if it was cancelled.
    [[nodiscard]] const std::exception_ptr& exception() const noexcept { return thrown_; }
    [[nodiscard]] task_id id() const noexcept { return id_; }

    /// Throws the task's exception; std::system_error with errc::task_cancelled, and what() as its text, if it was
    /// cancelled.
    [[noreturn]] void rethrow() const;
    /// "task 7 was cancelled, by abort() or since its runtime shut down", or "task 7 threw: " and the exception's text.
    [[nodiscard]] std::string what() const;

    /// errc::task_cancelled. An exception that the task has thrown is thrown again: it is no error code. This is how
    /// `try_` and others convert a join_error.
    [[nodiscard]] std::error_code to_error_code() const;

private:
    task_id id_;
    std::exception_ptr thrown_;
};

/// Cancels a task, and nothing else: it can be copied, and outlive the join handle. One that was moved from is empty:
/// to abort does nothing, and it is finished; its number is 0. Thread safety: any thread.
class abort_handle {
public:
    abort_handle(const abort_handle& other) noexcept : task_(other.task_) {
        if (task_ != nullptr) task_->join->add_reference(*task_);
    }
    abort_handle(abort_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    abort_handle& operator=(abort_handle other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~abort_handle() {
        if (task_ != nullptr) task_->join->release(*task_);
    }

    /// See join_handle::abort().
    void abort() const noexcept {
        if (task_ != nullptr) task_->join->abort(*task_);
    }
    [[nodiscard]] bool is_finished() const noexcept { return task_ == nullptr || task_->join->is_finished(*task_); }
    [[nodiscard]] task_id id() const noexcept { return task_ == nullptr ? 0 : task_->join->id(*task_); }

private:
    template <class T>
    friend class join_handle;
    explicit abort_handle(detail::joinable& task) noexcept : task_(&task) { task_->join->add_reference(*task_); }

    detail::joinable* task_;
};

/// A spawned task, for whoever wants its output: a future that is ready when the task has ended. Dropping it detaches
/// the task, which goes on; an exception that nobody can take any more then goes to the runtime's handler.
///
/// Output: the task's output, or a `join_error`.
/// Errors: poll throws `misuse` after it was ready, and if the handle was moved from or detached.
/// Cancel safety: safe while it is borrowed (`co_await handle`): the task goes on, and can be awaited again.
/// Thread safety: as a value; the task may run on another thread.
/// Cost: no allocation of its own; awaiting it is one atomic operation, or none on a core's own thread.
template <class T>
class join_handle : public future_ops<join_handle<T>> {
public:
    using output_type = std::expected<T, join_error>;

    join_handle(join_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept {
        join_handle(std::move(other)).swap(*this);
        return *this;
    }
    ~join_handle() { detach(); }

    poll_result<output_type> poll(context& cx) {
        if (task_ == nullptr) detail::throw_empty_handle("a join handle was awaited", cx.where());
        if (!cx.consume_budget()) return not_ready;
        if (!task_->join->poll_join(*task_, cx.waker())) {
            cx.refund_budget();
            return not_ready;
        }
        return take();
    }

    /// Cancels the task: at its next turn its future is destroyed, after it was asked to end in an orderly way if it
    /// can (poll_cancel). A task that has ended already keeps its output; one that never waits is not cancelled.
    void abort() const noexcept {
        if (task_ != nullptr) task_->join->abort(*task_);
    }

    /// Whether the task has ended: the next poll would be ready. True of an empty handle, whose poll throws `misuse`.
    [[nodiscard]] bool is_finished() const noexcept { return task_ == nullptr || task_->join->is_finished(*task_); }

    /// Lets the task go on by itself. The handle is empty then.
    void detach() noexcept {
        if (auto* const task = std::exchange(task_, nullptr)) task->join->drop_handle(*task);
    }

    /// Errors: throws `misuse` if this is empty: awaited to its end, moved from, or detached.
    [[nodiscard]] eddy::abort_handle abort_handle(std::source_location where = std::source_location::current()) const {
        if (task_ == nullptr) detail::throw_empty_handle("abort_handle() was called on a join handle", where);
        return eddy::abort_handle(*task_);
    }

    /// The task's number; 0 if the handle is empty.
    [[nodiscard]] task_id id() const noexcept { return task_ == nullptr ? 0 : task_->join->id(*task_); }

    void swap(join_handle& other) noexcept { std::swap(task_, other.task_); }

    /// For the library: takes over the handle's reference of `task`, whose output is a T.
    explicit join_handle(detail::joinable& task) noexcept : task_(&task) {}

private:
    friend struct detail::join_access;

    output_type take() {
        // SAFETY: made by spawn for a task whose output is a T, so that is what its slot is for.
        auto& outcome = static_cast<detail::slot<T>&>(task_->join->outcome(*task_));
        const drop_at_end ended{*this};
        if (outcome.has_exception()) {
            return output_type(std::unexpect, id(), std::exchange(outcome.exception(), nullptr));
        }
        if constexpr (std::is_void_v<T>) {
            outcome.take();
            return {};
        } else {
            return output_type(std::in_place, outcome.take());
        }
    }

    struct drop_at_end {
        join_handle& handle;
        ~drop_at_end() { handle.detach(); }
    };

    detail::joinable* task_;
};

namespace detail {

/// For those of the library that keep many handles.
struct join_access {
    /// Takes the handle's reference of its task out of it. Precondition: it has one.
    template <class T>
    [[nodiscard]] static joinable& release(join_handle<T>& handle) noexcept {
        return *std::exchange(handle.task_, nullptr);
    }
    /// The output of a task that has ended, of which the handle's reference is the caller's.
    template <class T>
    [[nodiscard]] static typename join_handle<T>::output_type take(joinable& ended) {
        return join_handle<T>(ended).take();
    }
};

/// What spawn returns for a closure that GCC 12 would destroy twice in a co_await expression: awaiting it as an rvalue
/// is refused, with the remedy.
template <class T>
class marked_join_handle : public join_handle<T> {
public:
    static constexpr bool took_closure = true;
    explicit marked_join_handle(joinable& task) noexcept : join_handle<T>(task) {}
};

}  // namespace detail
}  // namespace eddy
