// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <source_location>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/join_set.hpp>
#include <eddy/stream.hpp>

namespace eddy {

/// A task of a join_map that has ended: its key and its output.
template <class K, class T>
struct joined_entry {
    K key;
    std::expected<T, join_error> output;

    joined_entry(K its, std::expected<T, join_error>&& out) : key(std::move(its)), output(std::move(out)) {}

    /// For functions of two arguments in for_each() and the like.
    [[nodiscard]] std::tuple<K, std::expected<T, join_error>> into_parts() && {
        return {std::move(key), std::move(output)};
    }
};

/// A join_set whose tasks have keys. A task that is spawned under the key of another one takes its place: that one is
/// aborted, and is not joined any more. Dropping the map aborts all. It is a stream of joined_entry, as a join_set is of outputs.
/// Thread safety: as a value.
/// Cost: as join_set's, and two nodes of hash tables for each task.
template <class K, class T = void, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class join_map : public stream_ops<join_map<K, T, Hash, Equal>> {
public:
    using item_type = joined_entry<K, T>;
    class join_next_future;

    /// As eddy::spawn, under `key`.
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

    /// The next task that ends, with its key; nothing if the map is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no task was taken out of the map.
    /// Lifetime: the map must outlive the future, and must not be moved meanwhile.
    [[nodiscard]] join_next_future join_next() noexcept { return join_next_future(*this); }

    /// Aborts the task of a key; it is still to be joined. False if there is none.
    bool abort(const K& key) noexcept {
        const auto found = tasks_.find(key);
        if (found == tasks_.end()) return false;
        found->second.abort();
        return true;
    }
    void abort_all() noexcept { set_.abort_all(); }

    /// Aborts all tasks, and waits until they have ended.
    /// Cancel safety: safe: the tasks stay aborted.
    [[nodiscard]] auto shutdown() noexcept {
        tasks_.clear();
        keys_.clear();
        return set_.shutdown();
    }
    void detach_all() noexcept {
        tasks_.clear();
        keys_.clear();
        set_.detach_all();
    }

    [[nodiscard]] bool contains(const K& key) const { return tasks_.contains(key); }
    /// How many tasks are to be joined.
    [[nodiscard]] std::size_t len() const noexcept { return tasks_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return tasks_.empty(); }

    poll_result<std::optional<joined_entry<K, T>>> poll_next(context& cx) {
        for (;;) {
            auto ended = set_.poll_next_with_id(cx);
            if (!ended) return not_ready;
            if (!*ended) return std::nullopt;
            const auto key = keys_.find((*ended)->id);
            if (key == keys_.end()) continue;  // another one has taken its place
            joined_entry<K, T> entry(std::move(key->second), std::move((*ended)->output));
            keys_.erase(key);
            tasks_.erase(entry.key);
            return poll_result<std::optional<joined_entry<K, T>>>(std::move(entry));
        }
    }

private:
    void keep(K key, abort_handle task) {
        const task_id id = task.id();
        if (const auto former = tasks_.find(key); former != tasks_.end()) {
            former->second.abort();
            keys_.erase(former->second.id());
            former->second = std::move(task);
        } else {
            tasks_.emplace(key, std::move(task));
        }
        keys_.emplace(id, std::move(key));
    }

    join_set<T> set_;
    std::unordered_map<K, abort_handle, Hash, Equal> tasks_;
    std::unordered_map<task_id, K> keys_;
};

/// What join_map::join_next() returns.
template <class K, class T, class Hash, class Equal>
class [[nodiscard("co_await it")]] join_map<K, T, Hash, Equal>::join_next_future : public future_ops<join_next_future> {
public:
    using output_type = std::optional<joined_entry<K, T>>;
    poll_result<output_type> poll(context& cx) { return map_->poll_next(cx); }

private:
    friend join_map;
    explicit join_next_future(join_map& map) noexcept : map_(&map) {}

    join_map* map_;
};

}  // namespace eddy
