// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

namespace eddy {

/// A task of a join_set or of a join_queue that has ended: its number and its output.
template <class T>
struct joined_task {
    /// The task's number.
    task_id id;
    /// The task's output, or a join_error.
    std::expected<T, join_error> output;

    /// Constructs a joined_task from its two parts.
    joined_task(task_id number, std::expected<T, join_error>&& out) : id(number), output(std::move(out)) {}
};

/// The common base of join_set and join_queue. They differ in which task is the next one to join: in a join_set, the
/// task that ends first; in a join_queue, the task that was spawned first. `Tasks` finds that task.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
template <class Self, class T, class Tasks>
class basic_join_set : public stream_ops<Self> {
public:
    using item_type = std::expected<T, join_error>;

    static constexpr const char* wakes_one_task = "a join_set or join_queue";
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;
    class join_next_future;
    class join_next_with_id_future;
    class shutdown_future;

    /// Spawns a task and adds it; see eddy::spawn. The returned handle can abort it.
    template <class W>
    abort_handle spawn(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn(std::forward<W>(work), where); });
    }

    detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Spawns a task on the given runtime and adds it.
    template <class W>
    abort_handle spawn_on(const handle& runtime, W&& work,
                          std::source_location where = std::source_location::current()) {
        return add<W>([&] { return detail::spawn_on(detail::executor_of(runtime), std::forward<W>(work), where); });
    }

    /// Spawns a task that stays on this thread and adds it; see eddy::spawn_local.
    template <class W>
    abort_handle spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn_local(std::forward<W>(work), where); });
    }

    /// Runs blocking work as one of the tasks; see eddy::spawn_blocking.
    template <class F>
    abort_handle spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
        tasks_.reserve();
        return insert(eddy::spawn_blocking(std::forward<F>(f), where));
    }

    /// Takes ownership of a task that was spawned elsewhere. A join_queue puts it at its end.
    /// Errors: throws `misuse` if the handle is empty.
    abort_handle insert(join_handle<T> task, std::source_location where = std::source_location::current()) {
        tasks_.reserve();
        eddy::abort_handle aborts = task.abort_handle(where);
        tasks_.add(detail::join_access::release(task));
        return aborts;
    }

    /// Waits until the next task ends, and returns its output; nullopt if there are no tasks.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was removed.
    /// Lifetime: this object must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }
    /// Same as join_next(), but also returns the task's number.
    /// Cancel safety: safe, as join_next().
    [[nodiscard]] join_next_with_id_future join_next_with_id() noexcept { return join_next_with_id_future(*this); }

    /// Returns the output of the next task if it has ended; else nullopt. A join_queue returns nullopt even if a later
    /// task has ended. Never suspends.
    [[nodiscard]] std::optional<item_type> try_join_next() {
        detail::spawned_task* const ended = tasks_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return detail::join_access::take<T>(*ended, std::source_location());
    }
    /// Same as try_join_next(), but also returns the task's number.
    [[nodiscard]] std::optional<joined_task<T>> try_join_next_with_id() {
        detail::spawned_task* const ended = tasks_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return with_id(*ended, std::source_location());
    }

    /// Waits for all tasks and returns their outputs in the order in which they are joined. For tasks of void, the
    /// output is void. Use: `co_await std::move(set).join_all()`.
    /// Errors: if a task threw or was aborted, the tasks that were not joined are aborted and the exception is thrown
    /// (see join_error::rethrow).
    /// Cancel safety: the future owns the tasks; if it is destroyed, they are aborted and their outputs are lost.
    [[nodiscard]] auto join_all() && { return join_all_of(static_cast<Self&&>(*this)); }
    detail::broken_future join_all(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    /// Aborts all tasks. They are still to be joined.
    void abort_all() noexcept { tasks_.abort_all(); }

    /// Aborts all tasks and waits until they have ended. Outputs are dropped; exceptions are passed to the runtime's
    /// uncaught handler.
    /// Cancel safety: safe. The tasks remain aborted.
    /// Lifetime: this object must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] shutdown_future shutdown() noexcept { return shutdown_future(*this); }

    /// Detaches all tasks. This object has no tasks afterwards.
    void detach_all() noexcept { tasks_.detach_all(); }

    /// Returns the number of tasks that were not joined, including those that have ended, and whether there are none.
    [[nodiscard]] std::size_t len() const noexcept { return tasks_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }

    /// Returns the number of remaining items: at least len(); more if more tasks are spawned.
    [[nodiscard]] size_bounds size_hint() const noexcept { return {len(), std::nullopt}; }

    // ---- For hand-written futures ----

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        const auto ended = poll_ended(cx);
        if (!ended) return not_ready;
        if (*ended == nullptr) return std::nullopt;
        return poll_result<std::optional<item_type>>(detail::join_access::take<T>(**ended, cx.where()));
    }
    /// Same as poll_next(), but also returns the task's number.
    poll_result<std::optional<joined_task<T>>> poll_next_with_id(context& cx) {
        const auto ended = poll_ended(cx);
        if (!ended) return not_ready;
        if (*ended == nullptr) return std::nullopt;
        return poll_result<std::optional<joined_task<T>>>(with_id(**ended, cx.where()));
    }

protected:
    basic_join_set() noexcept = default;
    basic_join_set(basic_join_set&&) noexcept = default;
    basic_join_set& operator=(basic_join_set&&) noexcept = default;
    ~basic_join_set() {
        // As check_not_awaited(), for the address of the derived object, which is also the address of its base.
        if (detail::has_await_records.load(std::memory_order_relaxed)) [[unlikely]]
            detail::await_record::check(this, &detail::type_tag<Self>, "a join_set or join_queue");
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

    /// Returns whether `W` can be spawned as one of the tasks. If not, compilation fails with a one-line message.
    template <class W>
    static constexpr bool check() {
        if constexpr (detail::check_spawned<W>()) {
            return Self::template check_output<std::is_same_v<detail::work_output_t<W>, T>>();
        } else {
            return false;
        }
    }

    /// Polls the next task. Returns ready with null if there are no tasks.
    poll_result<detail::spawned_task*> poll_ended(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        detail::spawned_task* const ended = tasks_.take_ended(&cx);
        if (ended != nullptr || is_empty()) return ended;
        cx.refund_budget();
        return not_ready;
    }

    static joined_task<T> with_id(detail::spawned_task& ended, std::source_location where) {
        const task_id id = ended.id;
        return {id, detail::join_access::take<T>(ended, where)};
    }

    static auto join_all_of(Self all) {
        if constexpr (std::is_void_v<T>) {
            return [](Self mine) -> task<void> {
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return;
                    if (!*output) output->error().rethrow();
                }
            }(std::move(all));
        } else {
            return [](Self mine) -> task<std::vector<T>> {
                std::vector<T> outputs;
                outputs.reserve(mine.len());
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return outputs;
                    if (!*output) output->error().rethrow();
                    outputs.push_back(**std::move(output));
                }
            }(std::move(all));
        }
    }

    Tasks tasks_;
};

/// The future that join_next() returns. It is ready with nullopt if there are no tasks.
template <class Self, class T, class Tasks>
class [[nodiscard("co_await it")]] basic_join_set<Self, T, Tasks>::join_next_future
    : public future_ops<join_next_future> {
public:
    using output_type = std::optional<item_type>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next(cx); }

    friend const Self* awaited_object(const join_next_future& me) noexcept { return static_cast<const Self*>(me.set_); }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::task_set, &join_next_future::set_); }

private:
    friend basic_join_set;
    explicit join_next_future(basic_join_set& set) noexcept : set_(&set) {}

    basic_join_set* set_;
};

/// The future that join_next_with_id() returns. It is ready with nullopt if there are no tasks.
template <class Self, class T, class Tasks>
class [[nodiscard("co_await it")]] basic_join_set<Self, T, Tasks>::join_next_with_id_future
    : public future_ops<join_next_with_id_future> {
public:
    using output_type = std::optional<joined_task<T>>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next_with_id(cx); }

    friend const Self* awaited_object(const join_next_with_id_future& me) noexcept {
        return static_cast<const Self*>(me.set_);
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::task_set, &join_next_with_id_future::set_);
    }

private:
    friend basic_join_set;
    explicit join_next_with_id_future(basic_join_set& set) noexcept : set_(&set) {}

    basic_join_set* set_;
};

/// The future that shutdown() returns.
template <class Self, class T, class Tasks>
class [[nodiscard("co_await it")]] basic_join_set<Self, T, Tasks>::shutdown_future
    : public future_ops<shutdown_future> {
public:
    using output_type = void;
    poll_result<void> poll(context& cx) {
        if (!has_aborted_) set_->abort_all();
        has_aborted_ = true;
        for (;;) {
            const auto ended = set_->poll_ended(cx);
            if (!ended) return not_ready;
            if (*ended == nullptr) return poll_result<void>::ready();
            const join_handle<T> dropped(**ended);
        }
    }

    friend const Self* awaited_object(const shutdown_future& me) noexcept { return static_cast<const Self*>(me.set_); }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::task_set, &shutdown_future::set_); }

private:
    friend basic_join_set;
    explicit shutdown_future(basic_join_set& set) noexcept : set_(&set) {}

    basic_join_set* set_;
    bool has_aborted_ = false;
};

}  // namespace eddy
