// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
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
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

struct join_entry;
struct join_ready_list;

/// The part of a join_set that does not depend on the output type. Each task has an entry, whose waker is registered
/// with the task. When the task ends, the waker moves the entry to a list of ended tasks, so that they are found
/// without checking the rest. After Tokio's IdleNotifiedSet.
/// Thread safety: not synchronized; distinct objects may be used on different threads. The wakers of its entries are
/// used on any thread, also after its destruction.
class EDDY_API join_list {
public:
    join_list() noexcept = default;
    join_list(join_list&& other) noexcept
        : ended_(std::exchange(other.ended_, nullptr)),
          spare_(std::exchange(other.spare_, nullptr)),
          first_(std::exchange(other.first_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    join_list& operator=(join_list&& other) noexcept;
    /// Aborts and detaches all tasks.
    ~join_list();

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Allocates the memory for one add().
    /// Errors: throws std::bad_alloc.
    void reserve();
    /// Adds a task and takes ownership of its join handle's reference.
    /// Preconditions: reserve() was called for it.
    void add(joinable& task) noexcept;

    /// Removes the task that ended first and returns it with its join handle's reference. Returns null if none has
    /// ended; then `wake`, if not null, is woken when one does, and replaces the waker of earlier calls.
    [[nodiscard]] joinable* take_ended(const waker* wake) noexcept;

    /// Aborts all tasks. They stay in the list until they have ended.
    void abort_all() noexcept;
    /// Removes all tasks from the list without aborting them.
    void detach_all() noexcept { release_all(false); }

private:
    void release_all(bool with_abort) noexcept;
    void unlink(join_entry& entry) noexcept;

    join_ready_list* ended_ = nullptr;  // reference-counted: this object and each entry hold a reference
    join_entry* spare_ = nullptr;       // allocated by reserve() for the next add()
    join_entry* first_ = nullptr;       // the list of all tasks, ended or not
    std::size_t size_ = 0;
};

}  // namespace eddy::detail

namespace eddy {

/// A task of a join_set that has ended: its number and its output.
template <class T>
struct joined_task {
    /// The task's number.
    task_id id;
    /// The task's output, or a join_error.
    std::expected<T, join_error> output;

    /// Constructs a joined_task from its two parts.
    joined_task(task_id number, std::expected<T, join_error>&& out) : id(number), output(std::move(out)) {}
};

/// A set of tasks with outputs of one type, which are joined in the order in which they end. Destroying the set aborts
/// all tasks.
///     eddy::join_set<int> set;
///     for (auto& each : parts) set.spawn(work_on(each));
///     while (auto output = co_await set.join_next()) use(*output);
/// For child tasks that borrow from their parent, use eddy::scope.
///
/// It is also a stream of outputs. The stream ends when the set is empty, and continues if a task is spawned after
/// that:
///     co_await std::move(set).for_each([](int output) { use(output); });
/// Stream operations on an rvalue take ownership of the set: if such a future or adaptor is dropped early, the tasks
/// are aborted. Use by_ref() to borrow the set.
/// Errors: a task that was aborted, or that threw, is joined with a `join_error`.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
/// Cost: one small block from the frame pool for each task. Finding an ended task is O(1).
template <class T = void>
class join_set : public stream_ops<join_set<T>> {
public:
    /// Stream interface; see eddy::stream.
    using item_type = std::expected<T, join_error>;
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;
    class join_next_future;
    class join_next_with_id_future;
    class shutdown_future;

    /// Constructs an empty set.
    join_set() noexcept = default;
    /// Moves the tasks. The assignment aborts the tasks that this set had before.
    join_set(join_set&&) noexcept = default;
    join_set& operator=(join_set&&) noexcept = default;
    /// Aborts all tasks. Does not wait for their end.
    ~join_set() = default;

    /// Spawns a task into the set; see eddy::spawn. The returned handle can abort it.
    template <class W>
    abort_handle spawn(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn(std::forward<W>(work), where); });
    }

    // For a short compile error that names the remedy.
    auto spawn(auto&& work, detail::argument_of_work auto&&, auto&&...) { return detail::refuse_arguments(work); }

    /// Spawns a task on the given runtime into the set.
    template <class W>
    abort_handle spawn_on(const handle& runtime, W&& work,
                          std::source_location where = std::source_location::current()) {
        return add<W>([&] { return runtime.spawn(std::forward<W>(work), where); });
    }

    /// Spawns a task that stays on this thread into the set; see eddy::spawn_local.
    template <class W>
    abort_handle spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn_local(std::forward<W>(work), where); });
    }

    /// Runs blocking work as a task of the set; see eddy::spawn_blocking.
    template <class F>
    abort_handle spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
        list_.reserve();
        return insert(eddy::spawn_blocking(std::forward<F>(f), where));
    }

    /// Takes ownership of a task that was spawned elsewhere.
    /// Errors: throws `misuse` if the handle is empty.
    abort_handle insert(join_handle<T> task, std::source_location where = std::source_location::current()) {
        list_.reserve();
        eddy::abort_handle aborts = task.abort_handle(where);
        list_.add(detail::join_access::release(task));
        return aborts;
    }

    /// Waits for the next task that ends, and returns its output; nullopt if the set is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was taken out of the set.
    /// Lifetime: the set must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }
    /// Does the same, and also returns the task's number.
    /// Cancel safety: safe, as join_next().
    [[nodiscard]] join_next_with_id_future join_next_with_id() noexcept { return join_next_with_id_future(*this); }

    /// Returns the output of a task that has ended; nullopt if there is none at this moment. Never suspends.
    [[nodiscard]] std::optional<item_type> try_join_next() {
        detail::joinable* const ended = list_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return detail::join_access::take<T>(*ended);
    }
    /// Does the same, and also returns the task's number.
    [[nodiscard]] std::optional<joined_task<T>> try_join_next_with_id() {
        detail::joinable* const ended = list_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return with_id(*ended);
    }

    /// Waits for all tasks and returns their outputs in the order in which they ended. For tasks of void, the output is
    /// void. Use: `co_await std::move(set).join_all()`.
    /// Errors: if a task threw or was aborted, the others are aborted and the exception is thrown (see
    /// join_error::rethrow).
    /// Cancel safety: the future owns the set; if it is destroyed, the tasks are aborted and their outputs are lost.
    [[nodiscard]] auto join_all() && { return join_all_of(std::move(*this)); }
    // For a short compile error that names the remedy.
    auto join_all(auto&&... a) & { return detail::refuse_lvalue(a...); }

    /// Aborts all tasks. They stay in the set and are still to be joined.
    void abort_all() noexcept { list_.abort_all(); }

    /// Aborts all tasks and waits until they have ended. Outputs are dropped; exceptions are passed to the runtime's
    /// uncaught handler.
    /// Cancel safety: safe. The tasks remain aborted.
    /// Lifetime: the set must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] shutdown_future shutdown() noexcept { return shutdown_future(*this); }

    /// Detaches all tasks. The set is empty afterwards.
    void detach_all() noexcept { list_.detach_all(); }

    /// Returns the number of tasks that were not joined, including those that have ended, and whether there are none.
    [[nodiscard]] std::size_t len() const noexcept { return list_.size(); }
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
            list_.reserve();
            return insert(spawn());
        } else {
            return detail::broken_future();
        }
    }

    /// Returns whether `W` can be spawned into the set. If not, compilation fails with a one-line message.
    template <class W>
    static constexpr bool check() {
        if constexpr (detail::check_spawned<W>()) {
            constexpr bool fits = std::is_same_v<detail::work_output_t<W>, T>;
            static_assert(
                fits, "eddy: a join_set<T> holds tasks whose output is T, and this work has a different output type");
            return fits;
        } else {
            return false;
        }
    }

    /// Polls for the next task that has ended. Ready with null if the set is empty.
    poll_result<detail::joinable*> poll_ended(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        detail::joinable* const ended = list_.take_ended(&cx.waker());
        if (ended != nullptr || is_empty()) return ended;
        cx.refund_budget();
        return not_ready;
    }

    static joined_task<T> with_id(detail::joinable& ended) {
        const task_id id = ended.join->id(ended);
        return {id, detail::join_access::take<T>(ended)};
    }

    static auto join_all_of(join_set set) {
        if constexpr (std::is_void_v<T>) {
            return [](join_set mine) -> task<void> {
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return;
                    if (!*output) output->error().rethrow();
                }
            }(std::move(set));
        } else {
            return [](join_set mine) -> task<std::vector<T>> {
                std::vector<T> outputs;
                outputs.reserve(mine.len());
                for (;;) {
                    auto output = co_await mine.join_next();
                    if (!output) co_return outputs;
                    if (!*output) output->error().rethrow();
                    outputs.push_back(**std::move(output));
                }
            }(std::move(set));
        }
    }

    detail::join_list list_;
};

/// The future that join_next() returns. It is ready with nullopt if the set is empty.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::join_next_future : public future_ops<join_next_future> {
public:
    /// Future interface; see eddy::future.
    using output_type = std::optional<item_type>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next(cx); }

private:
    friend join_set;
    explicit join_next_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
};

/// The future that join_next_with_id() returns. It is ready with nullopt if the set is empty.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::join_next_with_id_future : public future_ops<join_next_with_id_future> {
public:
    /// Future interface; see eddy::future.
    using output_type = std::optional<joined_task<T>>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next_with_id(cx); }

private:
    friend join_set;
    explicit join_next_with_id_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
};

/// The future that shutdown() returns.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::shutdown_future : public future_ops<shutdown_future> {
public:
    /// Future interface; see eddy::future.
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

private:
    friend join_set;
    explicit shutdown_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
    bool has_aborted_ = false;
};

}  // namespace eddy
