// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <expected>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy {

namespace detail {
struct join_access;
}  // namespace detail

/// The type of a task's number. It is unique among all tasks of this process; 0 means no task.
using task_id = std::uint64_t;

/// The reason why a task has no output: it was cancelled, or it threw an exception.
///
/// The error of a join must be read: by is_cancelled(), exception(), what(), to_error_code(), rethrow() or a copy.
/// Otherwise its destructor passes the exception to the handler of the runtime or event loop that runs on this thread
/// (runtime_builder::on_uncaught()), or prints it.
/// Thread safety: a plain value.
class EDDY_API join_error {
public:
    /// Constructs the error of a task. A null `thrown` means that the task was cancelled.
    explicit join_error(task_id id, std::exception_ptr thrown) noexcept;
    /// For the library: constructs the error of a task that was spawned at `spawned_at`. Its exception must be read.
    join_error(task_id id, std::exception_ptr thrown, std::source_location spawned_at) noexcept;

    // Defined in the library, because errors are rare: a join whose task has an output is small enough to be inlined.
    /// A copy counts as a read of `other`. A move does not: then this error must be read.
    join_error(const join_error& other) noexcept;
    join_error(join_error&& other) noexcept;
    join_error& operator=(join_error other) noexcept;
    /// Reports the exception if it was not read.
    ~join_error();

    /// Returns whether the task was cancelled, by abort() or by the shutdown of its runtime.
    [[nodiscard]] bool is_cancelled() const noexcept {
        mark_as_read();
        return thrown_ == nullptr;
    }
    /// Returns the exception that left the task; null if it was cancelled.
    [[nodiscard]] const std::exception_ptr& exception() const noexcept {
        mark_as_read();
        return thrown_;
    }
    /// Returns the number of the task.
    [[nodiscard]] task_id id() const noexcept { return id_; }

    /// Throws the task's exception. If the task was cancelled, throws std::system_error with errc::task_cancelled and
    /// with what() as its text.
    [[noreturn]] void rethrow() const;
    /// Returns a description: "task 7 was cancelled, by abort() or since its runtime shut down", or "task 7 threw: "
    /// and the text of the exception. Blocking work for which no thread could be created "did not start".
    [[nodiscard]] std::string what() const;

    /// Returns errc::task_cancelled, or the error for which blocking work got no thread. `try_` and the like use this.
    /// Errors: throws the task's exception, if there is one, since it has no error code.
    [[nodiscard]] std::error_code to_error_code() const;

private:
    // relaxed: `unread_of_` publishes no other data. It is atomic because several threads may read one error.
    static constexpr auto relaxed = std::memory_order_relaxed;

    /// Returns the location of the spawn if the exception was not read before.
    detail::call_site mark_as_read() const noexcept { return unread_of_.exchange(nullptr, relaxed); }

    task_id id_;
    std::exception_ptr thrown_;
    mutable std::atomic<detail::call_site> unread_of_{nullptr};  // the spawn of the task, until the exception was read
};

/// A handle that can only cancel a task. It can be copied, and it may outlive the join handle. A moved-from handle is
/// empty: abort() does nothing, is_finished() is true, and id() is 0.
/// Thread safety: any thread.
class abort_handle {
public:
    /// Copies refer to the same task. A move leaves `other` empty.
    abort_handle(const abort_handle& other) noexcept : task_(other.task_) {
        if (task_ != nullptr) detail::add_task_reference(*task_);
    }
    abort_handle(abort_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    abort_handle& operator=(abort_handle other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~abort_handle() {
        if (task_ != nullptr) detail::release_task(*task_);
    }

    /// Cancels the task; see join_handle::abort().
    void abort() const noexcept {
        if (task_ != nullptr) detail::abort_task(*task_);
    }
    /// Returns whether the task has ended; true if this handle is empty.
    [[nodiscard]] bool is_finished() const noexcept { return task_ == nullptr || detail::is_task_finished(*task_); }
    /// Returns the number of the task; 0 if this handle is empty.
    [[nodiscard]] task_id id() const noexcept { return task_ == nullptr ? 0 : task_->id; }

private:
    template <class T>
    friend class join_handle;
    explicit abort_handle(detail::spawned_task& task) noexcept : task_(&task) { detail::add_task_reference(*task_); }

    detail::spawned_task* task_;
};

/// An owned permission to await a spawned task: a future that is ready when the task has ended. Destroying the handle
/// detaches the task, which continues. An exception, or an error in the task's `result`, that can then no longer be
/// taken is passed to the runtime's handler (runtime_builder::on_uncaught(), on_unobserved_error()), or printed.
///
/// Output: the task's output, or a `join_error`, which must be read.
/// Errors: poll() throws `misuse` if the output was taken, if the handle was moved from or detached, and if a task
/// awaits its own handle.
/// Cancel safety: safe if it is awaited by reference (`co_await handle`): the task continues and can be awaited again.
/// Thread safety: not synchronized; use one object from one thread at a time. The task may run on another thread.
/// Cost: no allocation. Awaiting it is one atomic operation, or none on a core's own thread.
template <class T>
class join_handle : public future_ops<join_handle<T>> {
public:
    using output_type = std::expected<T, join_error>;

    static constexpr const char* wakes_one_task = "a join_handle";

    /// Moving leaves `other` empty. The assignment detaches the task that this handle had before.
    join_handle(join_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept {
        join_handle(std::move(other)).swap(*this);
        return *this;
    }
    /// Detaches the task, if there is one.
    ~join_handle() {
        detail::check_not_awaited(this, "a join_handle");
        if (task_ != nullptr) detail::drop_join_handle(*task_);
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::join, &join_handle::task_); }

    friend const join_handle* awaited_object(const join_handle& me) noexcept { return std::addressof(me); }

    poll_result<output_type> poll(context& cx) {
        if (!poll_end(cx)) return not_ready;
        return take<poll_result<output_type>>(cx.where(), std::in_place);
    }

    /// For use by co_await: the two parts of poll(). The output stays in the task until it is taken.
    [[nodiscard]] bool poll_end(context& cx) {
        if (task_ == nullptr) detail::throw_empty_handle("a join handle was awaited", cx.where());
        if (!cx.consume_budget()) return false;
        if (detail::poll_join(*task_, cx.waker(), cx.where())) return true;
        cx.refund_budget();
        return false;
    }
    [[nodiscard]] output_type take_output(std::source_location where) { return take<output_type>(where); }

    /// Cancels the task: instead of its next poll, its future is ended gracefully by poll_cancel(), if it has that, and
    /// destroyed. Does nothing if the task has ended: its output stays. A task that never waits is not cancelled.
    void abort() const noexcept {
        if (task_ != nullptr) detail::abort_task(*task_);
    }

    /// Returns whether the task has ended, that is, whether the next poll would be ready. Returns true for an empty
    /// handle, whose poll throws `misuse`.
    [[nodiscard]] bool is_finished() const noexcept { return task_ == nullptr || detail::is_task_finished(*task_); }

    /// Detaches the task, which continues without a handle. The handle is empty afterwards.
    void detach() noexcept {
        if (auto* const task = std::exchange(task_, nullptr)) detail::drop_join_handle(*task);
    }

    /// Returns a handle that can abort the task.
    /// Errors: throws `misuse` if this handle is empty: the output was taken, or it was moved from or detached.
    [[nodiscard]] eddy::abort_handle abort_handle(std::source_location where = std::source_location::current()) const {
        if (task_ == nullptr) detail::throw_empty_handle("abort_handle() was called on a join handle", where);
        return eddy::abort_handle(*task_);
    }

    /// Returns the number of the task; 0 if the handle is empty.
    [[nodiscard]] task_id id() const noexcept { return task_ == nullptr ? 0 : task_->id; }

    /// Swaps the tasks of two handles.
    void swap(join_handle& other) noexcept { std::swap(task_, other.task_); }

    /// For the library: takes ownership of one reference of `task`, the one that belongs to its handle. The output of
    /// `task` is a T.
    explicit join_handle(detail::spawned_task& task) noexcept : task_(&task) {}

private:
    friend struct detail::join_access;

    /// Returns the output in a `Result`, in which it is constructed directly, after the arguments `first`. `where` is
    /// for the text of misuse.
    template <class Result, class... First>
    Result take(std::source_location where, First... first) {
        // SAFETY: spawn() made this task for an output of type T. This handle's reference keeps the task alive. The
        // task has ended, so only the handle accesses the slot.
        auto& outcome = detail::spawned_output<T>::slot_of(*task_);
        if (outcome.is_empty()) [[unlikely]]
            detail::throw_resumed_too_early(where);
        const drop_at_end ended{*this, outcome};
        if (outcome.has_exception()) {
            return Result(first..., std::unexpect, id(), std::exchange(outcome.exception(), nullptr),
                          task_->spawned_at);
        }
        if constexpr (std::is_void_v<T>) {
            outcome.take(where);
            return Result(first...);
        } else {
            return Result(first..., std::in_place, outcome.take(where));
        }
    }

    struct drop_at_end {
        join_handle& handle;
        detail::slot<T>& outcome;
        ~drop_at_end() {
            outcome.discard();
            if (auto* const task = std::exchange(handle.task_, nullptr)) detail::release_task(*task);
        }
    };

    detail::spawned_task* task_;
};

namespace detail {

/// Gives join_set, join_queue and task_tracker access to the task of a join_handle.
struct join_access {
    /// Returns the task and passes the handle's reference of it to the caller.
    /// Preconditions: the handle is not empty.
    template <class T>
    [[nodiscard]] static spawned_task& release(join_handle<T>& handle) noexcept {
        return *std::exchange(handle.task_, nullptr);
    }
    /// Returns the output of a task that has ended. The caller passes in the handle's reference of it. `where` is for
    /// the text of misuse.
    template <class T>
    [[nodiscard]] static typename join_handle<T>::output_type take(spawned_task& ended, std::source_location where) {
        return join_handle<T>(ended).take_output(where);
    }
};

template <>
struct explains_access<join_error> : std::true_type {};

}  // namespace detail
}  // namespace eddy
