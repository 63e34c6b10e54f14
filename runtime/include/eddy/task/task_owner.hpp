// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/detail/scope_base.hpp>
#include <eddy/task/detail/stored_work.hpp>

namespace eddy {

namespace detail {

/// Passes a failure of a background task to the handler of the runtime or event loop that runs here.
EDDY_API void report_background_failure(unread_failure&& failure, const std::source_location& where) noexcept;

/// A future without output that runs work, and reports its failure.
template <class W>
class reported_work {
public:
    using output_type = void;

    template <class G>
    reported_work(G&& work, std::source_location where) : where_(where), work_(std::forward<G>(work)) {}

    poll_result<void> poll(context& cx) {
        try {
            if (!future_) {
                if constexpr (future<W>) {
                    future_.emplace(std::move(work_));
                } else if constexpr (makes_future) {
                    future_.emplace(std::invoke(work_));
                } else {
                    return end(call());
                }
            }
            if constexpr (makes_future) {
                auto answer = future_->poll(cx);
                if (!answer) return not_ready;
                if constexpr (!std::is_void_v<output>) return end(error_in(*answer));
            }
            return end({});
        } catch (...) {
            return end(unread_failure(std::current_exception()));
        }
    }
    poll_result<void> poll_cancel(context& cx) {
        if constexpr (makes_future) {
            if constexpr (cancellable_future<kept>) {
                if (future_ && !future_->poll_cancel(cx)) return not_ready;
            }
        }
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&reported_work::future_); }

private:
    using output = work_output_t<W>;

    template <class F>
    static auto future_of() {
        if constexpr (future<F>) {
            return std::type_identity<F>();
        } else {
            return std::type_identity<std::remove_cvref_t<called_t<F>>>();
        }
    }
    using made = typename decltype(future_of<W>())::type;
    static constexpr bool makes_future = future<made>;
    using kept = std::conditional_t<makes_future, made, std::monostate>;

    unread_failure call() {
        if constexpr (std::is_void_v<output>) {
            std::invoke(work_);
            return {};
        } else {
            return error_in(std::invoke(work_));
        }
    }
    poll_result<void> end(unread_failure failure) {
        if (failure) report_background_failure(std::move(failure), where_);
        return poll_result<void>::ready();
    }

    std::source_location where_;
    W work_;
    std::optional<kept> future_;  // declared after `work_`, to which it may refer
};

}  // namespace detail

/// Owns background tasks that may refer to the object that contains the owner: the tasks of a connection, of a cache,
/// of a client. Declare it as the last member, so that it is destroyed first:
///
///     class cache {
///     public:
///         void start() { tasks_.spawn([this] { return refresh_forever(); }); }
///         eddy::task<void> close() { co_await tasks_.close(); }
///     private:
///         std::map<std::string, entry> entries_;
///         eddy::task_owner tasks_;
///     };
///
/// No task of the owner uses the object after the owner's destructor has returned. The destructor destroys the tasks.
/// It blocks this thread while one of them is being polled on another thread. To avoid this wait, and to let the tasks
/// end gracefully (poll_cancel()), await close() before the destructor. To let the tasks run to their end, await
/// wait().
///
/// The destructor does not wait for tasks that the owner's tasks have started: the connections of net::serve(), the
/// tasks of a join_set, and spawned tasks. On a runtime with several workers, they may use the object after the
/// destructor. close() waits for the connections of net::serve(), because serve() supports graceful cancellation. So,
/// if the handlers of a server use the object, await close() before the object is destroyed.
///
/// After close(), an owner accepts no tasks. An object that can start again makes a new owner for each start, and
/// passes it to its tasks by reference. The tasks must not use the std::optional, which is already empty while its
/// destructor waits for them:
///
///         void start() {                            // the member is: std::optional<eddy::task_owner> tasks_;
///             eddy::task_owner& owner = tasks_.emplace();
///             owner.spawn([this, &owner] { return refresh_forever(owner); });
///         }
///         eddy::task<void> stop() { co_await tasks_->close(); }
///
/// An exception, or an error in the `result` of a task, ends that task only. It is passed to the runtime's handlers
/// (runtime_builder::on_uncaught() and on_unobserved_error()), or printed. If the object must know of a failure, spawn
/// a task without an output that awaits the real work and checks its outcome.
/// Errors: the destructor ends the process with a message if one of the owner's own tasks calls it, because that task
/// would wait for itself; and if the tasks belong to an event loop of another thread.
/// Thread safety: the first spawn(), close() and the destructor must not overlap with other calls. After the first
/// spawn(), any thread of the runtime may call spawn(), cancel() and is_cancelled(). On an event loop (`core`), only
/// the thread of that loop uses the owner.
/// Lifetime: the first spawn() binds the owner to the current runtime or event loop, and keeps the shared state of the
/// runtime or event loop alive. If the runtime ends first, it destroys the tasks.
/// Cost: same as a scope: one block from the frame pool for each task.
class EDDY_API task_owner {
public:
    class close_future;
    class wait_future;

    /// Makes an owner without tasks. Does not need a runtime.
    task_owner() noexcept = default;
    task_owner(const task_owner&) = delete;
    task_owner& operator=(const task_owner&) = delete;
    /// Destroys all tasks; see the class comment.
    ~task_owner();

    /// Spawns a task on the runtime or event loop to which the owner is bound. `work` is a future, or a callable
    /// without parameters that returns a future or a value. Its output is dropped. After cancel() or close(), the task
    /// is cancelled immediately.
    /// Errors: throws `misuse` if the owner is not bound and this thread has no runtime.
    template <class W>
    void spawn(W&& work, std::source_location where = std::source_location::current()) {
        if constexpr (detail::check_spawned<W>()) {
            if (!base_.is_bound()) base_.bind(where);
            base_.spawn(detail::reported_work<std::decay_t<W>>(std::forward<W>(work), where), where);
        }
    }
    template <class W, detail::argument_of_work A, class... More>
    detail::broken_future spawn(W&&, A&&, More&&...) EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Cancels all tasks, the present ones and later ones, without waiting.
    void cancel() noexcept { base_.cancel(); }
    /// Returns whether cancel() or close() was called.
    [[nodiscard]] bool is_cancelled() const noexcept { return base_.is_cancelled(); }

    /// Cancels all tasks gracefully, and waits until they have ended. With net::serve() in a task, also waits for its
    /// connections.
    /// Cancel safety: safe. The tasks remain cancelled; close() can be called again.
    /// Thread safety: one task at a time awaits close() or wait(). Only the last one that was polled is woken.
    /// Lifetime: the owner must outlive the future.
    [[nodiscard]] close_future close() noexcept;

    /// Waits until the owner has no tasks, and does not cancel them. First tell the tasks to end, for example by
    /// destroying the sender of their channel. Also waits for tasks that are spawned meanwhile. More tasks may be
    /// spawned afterwards. Without tasks, the future is ready immediately.
    /// Thread safety: the same as for close(). Another task may call cancel().
    /// Lifetime: the owner must outlive the future. One of its own tasks must not await it: it would wait for itself.
    [[nodiscard]] wait_future wait() noexcept;

private:
    detail::scope_base base_;
};

/// The future of task_owner::wait().
/// Cancel safety: safe; see task_owner::wait().
class [[nodiscard("co_await it")]] task_owner::wait_future : public future_ops<wait_future> {
public:
    using output_type = void;

    explicit wait_future(detail::scope_base& of) noexcept : of_(&of) {}

    poll_result<void> poll(context& cx) {
        if (!of_->is_bound()) return poll_result<void>::ready();
        return of_->poll_empty(cx.waker()) ? poll_result<void>::ready() : poll_result<void>(not_ready);
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::scope, &wait_future::of_); }

private:
    detail::scope_base* of_;
};

/// The future of task_owner::close().
/// Cancel safety: safe; see task_owner::close().
class [[nodiscard("co_await it")]] task_owner::close_future : public future_ops<close_future> {
public:
    using output_type = void;

    explicit close_future(detail::scope_base& of) noexcept : of_(&of) {}

    poll_result<void> poll(context& cx) {
        if (!of_->is_cancelled()) of_->cancel();
        return wait_future(*of_).poll(cx);
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::scope, &close_future::of_); }

private:
    detail::scope_base* of_;
};

inline task_owner::close_future task_owner::close() noexcept { return close_future(base_); }
inline task_owner::wait_future task_owner::wait() noexcept { return wait_future(base_); }

}  // namespace eddy
