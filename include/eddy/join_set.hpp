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
#include <eddy/detail/join_list.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/handle.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/local_set.hpp>
#include <eddy/spawn.hpp>
#include <eddy/spawn_blocking.hpp>
#include <eddy/stream.hpp>
#include <eddy/task.hpp>

namespace eddy {

/// A task of a join_set that has ended: its number and its output.
template <class T>
struct joined_task {
    task_id id;
    std::expected<T, join_error> output;

    joined_task(task_id number, std::expected<T, join_error>&& out) : id(number), output(std::move(out)) {}
};

/// Tasks with outputs of one type, which are joined in the order in which they end. Dropping the set aborts them all.
///     eddy::join_set<int> set;
///     for (auto& each : parts) set.spawn(work_on(each));
///     while (auto output = co_await set.join_next()) use(*output);
/// For children that borrow from their parent there is eddy::scope.
///
/// It is also a stream of outputs, which ends when the set is empty, and goes on when a task is spawned after that:
///     co_await std::move(set).for_each([](int output) { use(output); });
/// What is done with an rvalue owns the set: a future or adaptor that is dropped half-way aborts the tasks; by_ref()
/// lends it. Errors: a task that was aborted, or that threw, is joined with a `join_error`. Thread safety: as a value.
/// Cost: a task's end is found in O(1), however many there are. One small block of the frame pool for each task.
template <class T = void>
class join_set : public stream_ops<join_set<T>> {
public:
    using item_type = std::expected<T, join_error>;
    class join_next_future;
    class join_next_with_id_future;
    class shutdown_future;

    join_set() noexcept = default;
    join_set(join_set&&) noexcept = default;
    join_set& operator=(join_set&&) noexcept = default;
    ~join_set() = default;

    /// As eddy::spawn, into the set. The handle can abort the task.
    template <class W>
    abort_handle spawn(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn(std::forward<W>(work), where); });
    }

    // Only to say in a short error what to write.
    template <class W, detail::argument_of_work A, class... More>
    auto spawn(W&&, A&&, More&&...) {
        return detail::refuse_arguments<W>();
    }

    /// The same on a certain runtime.
    template <class W>
    abort_handle spawn_on(const handle& runtime, W&& work,
                          std::source_location where = std::source_location::current()) {
        return add<W>([&] { return runtime.spawn(std::forward<W>(work), where); });
    }

    /// As eddy::spawn_local, into the set.
    template <class W>
    abort_handle spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        return add<W>([&] { return eddy::spawn_local(std::forward<W>(work), where); });
    }

    /// As eddy::spawn_blocking, into the set.
    template <class F>
    abort_handle spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
        list_.reserve();
        return insert(eddy::spawn_blocking(std::forward<F>(f), where));
    }

    /// Takes over a task that was spawned elsewhere. Throws `misuse` for an empty handle.
    abort_handle insert(join_handle<T> task, std::source_location where = std::source_location::current()) {
        list_.reserve();
        eddy::abort_handle aborts = task.abort_handle(where);
        list_.add(detail::join_access::release(task));
        return aborts;
    }

    /// The next task that ends, or that has ended; nothing if the set is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was taken out of the set.
    /// Lifetime: the set must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }
    /// The same, with the task's number.
    [[nodiscard]] join_next_with_id_future join_next_with_id() noexcept { return join_next_with_id_future(*this); }

    /// A task that has ended; nothing if there is none at this moment. Never suspends.
    [[nodiscard]] std::optional<item_type> try_join_next() {
        detail::joinable* const ended = list_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return detail::join_access::take<T>(*ended);
    }
    [[nodiscard]] std::optional<joined_task<T>> try_join_next_with_id() {
        detail::joinable* const ended = list_.take_ended(nullptr);
        if (ended == nullptr) return std::nullopt;
        return with_id(*ended);
    }

    /// Waits for all tasks; gives their outputs in the order of their ends: `co_await std::move(set).join_all()`.
    /// Errors: the first task that threw, or was aborted, aborts the rest; its exception is thrown (see
    /// join_error::rethrow).
    [[nodiscard]] auto join_all() && { return join_all_of(std::move(*this)); }
    // Only to say in a short error what to write.
    template <class... A>
    auto join_all(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }

    /// Aborts all tasks. They stay in the set, to be joined.
    void abort_all() noexcept { list_.abort_all(); }

    /// Aborts all tasks, and waits until they have ended. Outputs are dropped; an exception goes to the runtime's
    /// handler. Cancel safety: safe: the tasks stay aborted.
    [[nodiscard]] shutdown_future shutdown() noexcept { return shutdown_future(*this); }

    /// Lets all tasks go on by themselves. The set is empty then.
    void detach_all() noexcept { list_.detach_all(); }

    /// How many tasks have not been joined, those that have ended included.
    [[nodiscard]] std::size_t len() const noexcept { return list_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return len() == 0; }

    /// As many as the tasks that have not been joined; more, if more are spawned.
    [[nodiscard]] size_bounds size_hint() const noexcept { return {len(), std::nullopt}; }

    // ---- For those who write futures ----
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        const auto ended = poll_ended(cx);
        if (!ended) return not_ready;
        if (*ended == nullptr) return std::nullopt;
        return poll_result<std::optional<item_type>>(detail::join_access::take<T>(**ended));
    }
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

    /// Refuses, in one line, what cannot be spawned into the set.
    template <class W>
    static constexpr bool check() {
        if constexpr (detail::check_spawned<W>()) {
            constexpr bool fits = std::is_same_v<detail::work_output_t<W>, T>;
            static_assert(fits, "eddy: a join_set<T> holds tasks whose output is T, and this work has another one");
            return fits;
        } else {
            return false;
        }
    }

    /// Null if the set is empty.
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

/// What join_next() returns. Ready with nothing if the set is empty.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::join_next_future : public future_ops<join_next_future> {
public:
    using output_type = std::optional<item_type>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next(cx); }

private:
    friend join_set;
    explicit join_next_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
};

/// What join_next_with_id() returns.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::join_next_with_id_future : public future_ops<join_next_with_id_future> {
public:
    using output_type = std::optional<joined_task<T>>;
    poll_result<output_type> poll(context& cx) { return set_->poll_next_with_id(cx); }

private:
    friend join_set;
    explicit join_next_with_id_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
};

/// What shutdown() returns.
template <class T>
class [[nodiscard("co_await it")]] join_set<T>::shutdown_future : public future_ops<shutdown_future> {
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

private:
    friend join_set;
    explicit shutdown_future(join_set& set) noexcept : set_(&set) {}

    join_set* set_;
    bool has_aborted_ = false;
};

}  // namespace eddy
