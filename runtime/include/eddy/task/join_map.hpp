// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <functional>
#include <iterator>
#include <optional>
#include <source_location>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <tuple>
#include <unordered_map>
#include <utility>

#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/join_set.hpp>

namespace eddy {

namespace detail {

/// A range of the keys of a map. Not std::views::keys: the header <ranges> is slow to compile.
template <class Map>
class key_range : public std::ranges::view_base {
public:
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::forward_iterator_tag;
        using value_type = typename Map::key_type;
        using difference_type = std::ptrdiff_t;
        using pointer = const value_type*;
        using reference = const value_type&;

        iterator() = default;
        reference operator*() const noexcept { return at_->first; }
        pointer operator->() const noexcept { return &at_->first; }
        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        friend bool operator==(const iterator&, const iterator&) = default;

    private:
        friend key_range;
        explicit iterator(typename Map::const_iterator at) noexcept : at_(at) {}

        typename Map::const_iterator at_;
    };

    explicit key_range(const Map& map) noexcept : map_(&map) {}

    [[nodiscard]] iterator begin() const noexcept { return iterator(map_->begin()); }
    [[nodiscard]] iterator end() const noexcept { return iterator(map_->end()); }
    [[nodiscard]] std::size_t size() const noexcept { return map_->size(); }
    [[nodiscard]] bool empty() const noexcept { return map_->empty(); }

private:
    const Map* map_;
};

}  // namespace detail

/// A task of a join_map that has ended: its key and its output.
template <class K, class T>
struct joined_entry {
    /// The key under which the task was spawned.
    K key;
    /// The task's output, or a join_error.
    std::expected<T, join_error> output;

    /// Constructs an entry from its two parts.
    joined_entry(K its, std::expected<T, join_error>&& out) : key(std::move(its)), output(std::move(out)) {}

    /// Returns both parts as a tuple, so that for_each() and similar functions accept a function of two arguments.
    [[nodiscard]] std::tuple<K, std::expected<T, join_error>> into_parts() && {
        return {std::move(key), std::move(output)};
    }
};

/// A join_set whose tasks have keys. If a task is spawned under the key of another task, the other task is aborted and
/// will not be joined. Destroying the map aborts all tasks. Like join_set, it is also a stream; its items are
/// joined_entry.
/// Errors: a task that was aborted, or that threw, is joined with a `join_error`.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
/// Lifetime: the tasks must own their data; see join_set.
/// Cost: same as a join_set, and two nodes of hash tables for each task.
template <class K, class T = void, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class join_map : public stream_ops<join_map<K, T, Hash, Equal>> {
public:
    using item_type = joined_entry<K, T>;

    static constexpr const char* wakes_one_task = "a join_map";
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;
    class join_next_future;
    class shutdown_future;

    /// Constructs an empty map.
    join_map() = default;
    /// Moves the tasks. The assignment aborts the tasks that this map had before.
    join_map(join_map&&) = default;
    join_map& operator=(join_map&&) = default;
    /// Aborts all tasks. Does not wait for their end.
    ~join_map() { detail::check_not_awaited(this, "a join_map"); }

    /// Spawns a task under `key`: on the current runtime, on the given one, or as blocking work. See eddy::spawn,
    /// handle::spawn and eddy::spawn_blocking.
    /// Errors: throws if the key cannot be copied; the task is then aborted.
    template <class W>
    void spawn(K key, W&& work, std::source_location where = std::source_location::current()) {
        keep(std::move(key), set_.spawn(std::forward<W>(work), where));
    }
    template <class W>
    void spawn_on(const handle& runtime, K key, W&& work,
                  std::source_location where = std::source_location::current()) {
        keep(std::move(key), set_.spawn_on(runtime, std::forward<W>(work), where));
    }
    template <class F>
    void spawn_blocking(K key, F&& f, std::source_location where = std::source_location::current()) {
        keep(std::move(key), set_.spawn_blocking(std::forward<F>(f), where));
    }
    /// Spawns a task that stays on this thread under `key`; see eddy::spawn_local.
    /// Errors: same as spawn().
    template <class W>
    void spawn_local(K key, W&& work, std::source_location where = std::source_location::current()) {
        keep(std::move(key), set_.spawn_local(std::forward<W>(work), where));
    }

    /// Waits for the next task that ends, and returns its key and output; nullopt if the map is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was taken out of the map.
    /// Lifetime: the map must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }

    /// Returns the key and the output of a task that has ended; nullopt if there is none at this moment. Never
    /// suspends.
    [[nodiscard]] std::optional<item_type> try_join_next() {
        for (;;) {
            auto ended = set_.try_join_next_with_id();
            if (!ended) return std::nullopt;
            if (auto entry = entry_of(*std::move(ended))) return entry;
        }
    }

    /// Aborts the task of a key; it is still to be joined. Returns false if there is no such task.
    bool abort(const K& key) noexcept {
        const auto found = tasks_.find(key);
        if (found == tasks_.end()) return false;
        found->second.abort();
        return true;
    }
    /// Aborts the tasks for whose keys `predicate(const K&)` returns true; they are still to be joined. `predicate`
    /// must not use the map.
    template <std::predicate<const K&> Predicate>
    void abort_matching(Predicate predicate) {
        for (const auto& [key, task] : tasks_) {
            if (std::invoke(predicate, key)) task.abort();
        }
    }
    /// Aborts all tasks; they are still to be joined.
    void abort_all() noexcept { set_.abort_all(); }

    /// Aborts all tasks and waits until they have ended.
    /// Cancel safety: safe. The tasks remain aborted.
    /// Lifetime: the map must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] shutdown_future shutdown() noexcept { return shutdown_future(*this); }
    /// Detaches all tasks. The map is empty afterwards.
    void detach_all() noexcept {
        tasks_.clear();
        keys_.clear();
        set_.detach_all();
    }

    /// Returns whether there is a task of this key that was not joined.
    [[nodiscard]] bool contains(const K& key) const { return tasks_.contains(key); }
    /// Returns whether the task with this number is in the map. A task that was replaced under its key is not.
    [[nodiscard]] bool contains_task(task_id task) const { return keys_.contains(task); }
    /// Returns a range of the keys of all tasks that were not joined, in any order.
    /// Lifetime: the map must outlive the range. Spawning and joining invalidate its iterators.
    [[nodiscard]] auto keys() const noexcept { return detail::key_range(tasks_); }
    /// Returns the number of tasks that were not joined, including those that have ended, and whether there are none.
    [[nodiscard]] std::size_t len() const noexcept { return tasks_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return tasks_.empty(); }

    poll_result<std::optional<joined_entry<K, T>>> poll_next(context& cx) {
        for (;;) {
            auto ended = set_.poll_next_with_id(cx);
            if (!ended) return not_ready;
            if (!*ended) return std::nullopt;
            if (auto entry = entry_of(**std::move(ended)))
                return poll_result<std::optional<joined_entry<K, T>>>(std::move(entry));
        }
    }

private:
    /// Removes the entry of a task that has ended. Returns nothing if another task has replaced it under its key.
    std::optional<item_type> entry_of(joined_task<T>&& ended) {
        auto key = keys_.extract(ended.id);
        if (key.empty()) return std::nullopt;
        tasks_.erase(key.mapped());  // first: if the key's move throws, only this entry is lost
        return std::optional<item_type>(std::in_place, std::move(key.mapped()), std::move(ended.output));
    }

    /// Inserts into both tables. If that throws, inserts nothing and aborts the task.
    void keep(K key, const abort_handle& task) {
        try {
            keys_.emplace(task.id(), key);
            const auto [entry, is_new] = tasks_.try_emplace(std::move(key), task);
            if (is_new) return;
            entry->second.abort();
            keys_.erase(entry->second.id());
            entry->second = task;
        } catch (...) {
            keys_.erase(task.id());
            task.abort();
            throw;
        }
    }

    join_set<T> set_;
    std::unordered_map<K, abort_handle, Hash, Equal> tasks_;
    std::unordered_map<task_id, K> keys_;
};

/// The future that join_map::join_next() returns.
template <class K, class T, class Hash, class Equal>
class [[nodiscard("co_await it")]] join_map<K, T, Hash, Equal>::join_next_future : public future_ops<join_next_future> {
public:
    using output_type = std::optional<joined_entry<K, T>>;
    poll_result<output_type> poll(context& cx) { return map_->poll_next(cx); }

    friend const join_map* awaited_object(const join_next_future& me) noexcept { return me.map_; }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::task_set, &join_next_future::map_); }

private:
    friend join_map;
    explicit join_next_future(join_map& map) noexcept : map_(&map) {}

    join_map* map_;
};

/// The future that join_map::shutdown() returns.
template <class K, class T, class Hash, class Equal>
class [[nodiscard("co_await it")]] join_map<K, T, Hash, Equal>::shutdown_future : public future_ops<shutdown_future> {
public:
    using output_type = void;
    poll_result<void> poll(context& cx) {
        if (!std::exchange(has_begun_, true)) {
            map_->tasks_.clear();
            map_->keys_.clear();
        }
        return ends_.poll(cx);
    }

    friend const join_map* awaited_object(const shutdown_future& me) noexcept { return me.map_; }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::task_set, &shutdown_future::map_); }

private:
    friend join_map;
    explicit shutdown_future(join_map& map) noexcept : map_(&map), ends_(map.set_.shutdown()) {}

    join_map* map_;
    typename join_set<T>::shutdown_future ends_;
    bool has_begun_ = false;
};

}  // namespace eddy
