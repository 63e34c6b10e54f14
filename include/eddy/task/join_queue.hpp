// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// The part of a join_queue that does not depend on the output type: tasks in the order in which they were added. Has
/// the members of join_list.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
class EDDY_API join_fifo {
public:
    join_fifo() noexcept = default;
    join_fifo(join_fifo&& other) noexcept
        : tasks_(std::exchange(other.tasks_, {})),
          first_(std::exchange(other.first_, 0)),
          waiting_(std::move(other.waiting_)) {}
    join_fifo& operator=(join_fifo&& other) noexcept;
    /// Aborts and detaches all tasks.
    ~join_fifo() { release_all(true); }

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size() - first_; }

    /// Allocates the memory for one add().
    /// Errors: throws std::bad_alloc.
    void reserve();
    /// Adds a task and takes ownership of its join handle's reference.
    /// Preconditions: reserve() was called for it.
    void add(joinable& task) noexcept { tasks_.push_back(&task); }

    /// Removes the first task if it has ended, and returns it with its join handle's reference. Otherwise returns null;
    /// then `wake`, if not null, is woken when that task ends, and replaces the waker of earlier calls.
    [[nodiscard]] joinable* take_ended(const waker* wake);

    /// Aborts all tasks. They stay in the list until they have ended.
    void abort_all() noexcept;
    /// Removes all tasks from the list without aborting them.
    void detach_all() noexcept { release_all(false); }

private:
    void release_all(bool with_abort) noexcept;

    std::vector<joinable*> tasks_;  // those before `first_` were taken
    std::size_t first_ = 0;
    waker waiting_;  // of the last take_ended(), for release_all()
};

}  // namespace eddy::detail

namespace eddy {

/// Tasks with outputs of one type, which run in parallel and are joined in the order in which they were spawned. Use it
/// if the order of the outputs matters; a join_set joins the task that ends first. Destroying the queue aborts all
/// tasks.
///     eddy::join_queue<page> pages;
///     for (auto& each : addresses) pages.spawn(fetch(each));
///     while (auto output = co_await pages.join_next()) print(*output);   // in the order of `addresses`
///
/// It is also a stream of outputs, as join_set is.
/// Errors: a task that was aborted, or that threw, is joined with a `join_error`.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
/// Cost: one pointer for each task. Joining the next task is O(1).
template <class T = void>
class join_queue : public stream_ops<join_queue<T>> {
public:
    /// Stream interface; see eddy::stream.
    using item_type = std::expected<T, join_error>;
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;
    class join_next_future;
    class join_next_with_id_future;
    class shutdown_future;

    /// Constructs an empty queue.
    join_queue() noexcept = default;
    /// Moves the tasks. The assignment aborts the tasks that this queue had before.
    join_queue(join_queue&&) noexcept = default;
    join_queue& operator=(join_queue&&) noexcept = default;
    /// Aborts all tasks. Does not wait for their end.
    ~join_queue() = default;

    /// Spawns a task at the end of the queue; see eddy::spawn. The returned handle can abort it.
    template <class W>
    abort_handle spawn(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn(std::forward<W>(work), where); });
    }

    // For a short compile error that names the remedy.
    auto spawn(auto&& work, detail::argument_of_work auto&&, auto&&...) { return detail::refuse_arguments(work); }

    /// Spawns a task on the given runtime at the end of the queue.
    template <class W>
    abort_handle spawn_on(const handle& runtime, W&& work,
                          std::source_location where = std::source_location::current()) {
        return add<W>([&] { return runtime.spawn(std::forward<W>(work), where); });
    }

    /// Spawns a task that stays on this thread at the end of the queue; see eddy::spawn_local.
    template <class W>
    abort_handle spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn_local(std::forward<W>(work), where); });
    }

    /// Runs blocking work as the last task of the queue; see eddy::spawn_blocking.
    template <class F>
    abort_handle spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
        tasks_.reserve();
        return insert(eddy::spawn_blocking(std::forward<F>(f), where));
    }

    /// Takes ownership of a task that was spawned elsewhere, and puts it at the end of the queue.
    /// Errors: throws `misuse` if the handle is empty.
    abort_handle insert(join_handle<T> task, std::source_location where = std::source_location::current()) {
        tasks_.reserve();
        eddy::abort_handle aborts = task.abort_handle(where);
        tasks_.add(detail::join_access::release(task));
        return aborts;
    }

    /// Waits for the first task of the queue, and returns its output; nullopt if the queue is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was taken out of the queue.
    /// Lifetime: the queue must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }
    /// Does the same, and also returns the task's number.
    /// Cancel safety: safe, as join_next().
    [[nodiscard]] join_next_with_id_future join_next_with_id() noexcept { return join_next_with_id_future(*this); }

    /// Returns the output of the first task of the queue if it has ended; else nullopt, even if a later task has ended.
    /// Never suspends.
    [[nodiscard]] std::optional<item_type> try_join_next() {
        detail::joinable* const ended = tasks_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return detail::join_access::take<T>(*ended);
    }
    /// Does the same, and also returns the task's number.
    [[nodiscard]] std::optional<joined_task<T>> try_join_next_with_id() {
        detail::joinable* const ended = tasks_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return with_id(*ended);
    }

    /// Waits for all tasks and returns their outputs in the order in which they were spawned. For tasks of void, the
    /// output is void. Use: `co_await std::move(queue).join_all()`.
    /// Errors: if a task threw or was aborted, the tasks after it are aborted and the exception is thrown (see
    /// join_error::rethrow).
    /// Cancel safety: the future owns the queue; if it is destroyed, the tasks are aborted and their outputs are lost.
    [[nodiscard]] auto join_all() && { return join_all_of(std::move(*this)); }
    // For a short compile error that names the remedy.
    auto join_all(auto&&... a) & { return detail::refuse_lvalue(a...); }

    /// Aborts all tasks. They stay in the queue and are still to be joined.
    void abort_all() noexcept { tasks_.abort_all(); }

    /// Aborts all tasks and waits until they have ended. Outputs are dropped; exceptions are passed to the runtime's
    /// uncaught handler.
    /// Cancel safety: safe. The tasks remain aborted.
    /// Lifetime: the queue must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] shutdown_future shutdown() noexcept { return shutdown_future(*this); }

    /// Detaches all tasks. The queue is empty afterwards.
    void detach_all() noexcept { tasks_.detach_all(); }

    /// Returns the number of tasks that were not joined, including those that have ended, and whether there are none.
    [[nodiscard]] std::size_t len() const noexcept { return tasks_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }

    /// Returns the number of remaining items: at least len(); more if more tasks are spawned.
    [[nodiscard]] size_bounds size_hint() const noexcept { return {len(), std::nullopt}; }

    // ---- For hand-written futures ----
    /// Stream interface; see eddy::stream.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        const auto ended = poll_ended(cx);
        if (!ended) return not_ready;
        if (*ended == nullptr) return std::nullopt;
        return poll_result<std::optional<item_type>>(detail::join_access::take<T>(**ended));
    }
    /// Does the same, and also returns the task's number.
    poll_result<std::optional<joined_task<T>>> poll_next_with_id(context& cx) {
        const auto ended = poll_ended(cx);
        if (!ended) return not_ready;
        if (*ended == nullptr) return std::nullopt;
        return poll_result<std::optional<joined_task<T>>>(with_id(**ended));
    }

private:
    template <class W, class Spawn>
    abort_handle add(Spawn spawn) {
        if constexpr (check<W>()) {
            tasks_.reserve();
            return insert(spawn());
        } else {
            return detail::broken_future();
        }
    }

    /// Returns whether `W` can be spawned into the queue. If not, compilation fails with a one-line message.
    template <class W>
    static constexpr bool check() {
        if constexpr (detail::check_spawned<W>()) {
            constexpr bool fits = std::is_same_v<detail::work_output_t<W>, T>;
            static_assert(
                fits, "eddy: a join_queue<T> holds tasks whose output is T, and this work has a different output type");
            return fits;
        } else {
            return false;
        }
    }

    /// Polls the first task. Ready with null if the queue is empty.
    poll_result<detail::joinable*> poll_ended(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        detail::joinable* const ended = tasks_.take_ended(&cx.waker());
        if (ended != nullptr || is_empty()) return ended;
        cx.refund_budget();
        return not_ready;
    }

    static joined_task<T> with_id(detail::joinable& ended) {
        const task_id id = ended.join->id(ended);
        return {id, detail::join_access::take<T>(ended)};
    }

    static auto join_all_of(join_queue queue) {
        if constexpr (std::is_void_v<T>) {
            return [](join_queue mine) -> task<void> {
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return;
                    if (!*output) output->error().rethrow();
                }
            }(std::move(queue));
        } else {
            return [](join_queue mine) -> task<std::vector<T>> {
                std::vector<T> outputs;
                outputs.reserve(mine.len());
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return outputs;
                    if (!*output) output->error().rethrow();
                    outputs.push_back(**std::move(output));
                }
            }(std::move(queue));
        }
    }

    detail::join_fifo tasks_;
};

/// The future that join_next() returns. It is ready with nullopt if the queue is empty.
template <class T>
class [[nodiscard("co_await it")]] join_queue<T>::join_next_future : public future_ops<join_next_future> {
public:
    /// Future interface; see eddy::future.
    using output_type = std::optional<item_type>;
    poll_result<output_type> poll(context& cx) { return queue_->poll_next(cx); }

private:
    friend join_queue;
    explicit join_next_future(join_queue& queue) noexcept : queue_(&queue) {}

    join_queue* queue_;
};

/// The future that join_next_with_id() returns. It is ready with nullopt if the queue is empty.
template <class T>
class [[nodiscard("co_await it")]] join_queue<T>::join_next_with_id_future
    : public future_ops<join_next_with_id_future> {
public:
    /// Future interface; see eddy::future.
    using output_type = std::optional<joined_task<T>>;
    poll_result<output_type> poll(context& cx) { return queue_->poll_next_with_id(cx); }

private:
    friend join_queue;
    explicit join_next_with_id_future(join_queue& queue) noexcept : queue_(&queue) {}

    join_queue* queue_;
};

/// The future that shutdown() returns.
template <class T>
class [[nodiscard("co_await it")]] join_queue<T>::shutdown_future : public future_ops<shutdown_future> {
public:
    /// Future interface; see eddy::future.
    using output_type = void;
    poll_result<void> poll(context& cx) {
        if (!has_aborted_) queue_->abort_all();
        has_aborted_ = true;
        for (;;) {
            const auto ended = queue_->poll_ended(cx);
            if (!ended) return not_ready;
            if (*ended == nullptr) return poll_result<void>::ready();
            const join_handle<T> dropped(**ended);
        }
    }

private:
    friend join_queue;
    explicit shutdown_future(join_queue& queue) noexcept : queue_(&queue) {}

    join_queue* queue_;
    bool has_aborted_ = false;
};

}  // namespace eddy
