// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/stream/detail/stream_set.hpp>

namespace eddy {

/// An item of a stream_map: a key and the item of that key's stream.
template <class K, class T>
struct keyed {
    /// The key of the stream.
    K key;
    /// The item of the stream.
    T value;

    /// Constructs an item from its two parts.
    keyed(const K& k, T&& v) : key(k), value(std::move(v)) {}

    /// Returns both parts as a tuple, so that for_each() and similar functions accept a function of two arguments.
    std::tuple<K, T> into_parts() && { return {std::move(key), std::move(value)}; }
};

/// Streams of one type under keys, merged into one stream of their items, each with its key. Streams can be inserted
/// and removed at any time. A stream that ends is removed. The merged stream ends when the map is empty, and continues
/// if a stream is inserted after that.
///
///     eddy::stream_map<std::string, subscription> channels;
///     channels.insert("news", subscribe("news"));
///     while (auto message = co_await channels.next()) show(message->key, message->value);
///
/// Only woken streams are polled, so the cost of an item does not depend on the number of streams. The map is fair:
/// after an item, a stream is polled again after all streams that were woken before.
/// Errors: the poll throws the exception of a stream. That stream stays in the map.
/// Cancel safety: safe. A next() that is dropped loses no item.
/// Thread safety: not synchronized; use one object from one thread at a time. The streams may be woken on any thread.
/// Lifetime: streams are moved in and stay at one address until they are removed. The map itself may be moved at any
/// time. The poll of a stream must not access the map. The destructor of a stream may; the stream is no longer in the
/// map then.
/// Cost: one block from the frame pool and one node of a hash map for each stream.
template <class K, stream S, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class [[nodiscard]] stream_map : public stream_ops<stream_map<K, S, Hash, Equal>> {
    struct entry {
        S items;
        const K* key;  // points into `by_key_`, whose keys do not move
    };
    using set = detail::stream_set<entry>;

public:
    /// The types of the keys, of the streams, and of the items.
    using key_type = K;
    using stream_type = S;
    using item_type = keyed<K, detail::item_t<S>>;
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;

    /// Constructs an empty map.
    stream_map() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Inserts a stream. If the key has a stream already, destroys that one and returns false; otherwise returns true.
    /// The next poll of the map polls the stream; insert() itself wakes no task.
    bool insert(K key, S items) {
        bool is_new = true;
        while (remove(key)) is_new = false;  // repeated, because a destructor may insert another one
        const auto at = by_key_.try_emplace(std::move(key), nullptr).first;
        try {
            at->second = &streams_.push(entry{std::move(items), &at->first});
        } catch (...) {
            by_key_.erase(at);
            throw;
        }
        return is_new;
    }

    /// Destroys the stream of a key. Returns false if there is none.
    bool remove(const K& key) {
        const auto at = by_key_.find(key);
        if (at == by_key_.end()) return false;
        auto& removed = *at->second;
        by_key_.erase(at);  // first, because the stream's destructor may access the map
        streams_.release(removed);
        return true;
    }

    /// Returns the stream of a key, or null if there is none. The stream stays in the map.
    [[nodiscard]] S* find(const K& key) {
        const auto at = by_key_.find(key);
        return at == by_key_.end() ? nullptr : &at->second->future.items;
    }

    /// Returns whether a key has a stream.
    [[nodiscard]] bool contains(const K& key) const { return by_key_.contains(key); }
    /// Returns the number of streams, and whether there are none.
    [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return by_key_.empty(); }

    /// Destroys all streams.
    void clear() noexcept {
        // Destroyed last: the destructors of streams may access the map and insert other streams.
        const set gone = std::move(streams_);
        by_key_.clear();
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return streams_.template poll_next<item_type>(
            cx, [](entry& from, detail::item_t<S>&& item) { return item_type(*from.key, std::move(item)); },
            [this](entry& ended) { forget(ended); });
    }

    /// Cancels all streams gracefully. Returns ready when all are destroyed; then the map is empty.
    /// Errors: throws the exception of a stream's poll_cancel(). That stream stays, and the next poll_cancel() polls it
    /// again.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<S>
    {
        return streams_.poll_cancel(cx, [this](entry& ended) { forget(ended); });
    }

    /// Returns the sum of the streams' bounds; see eddy::size_bounds.
    [[nodiscard]] size_bounds size_hint() const noexcept {
        size_bounds all(0, 0);
        for (const auto& [key, node] : by_key_) all = detail::add(all, detail::bounds_of(node->future.items));
        return all;
    }

    static constexpr auto wait_shape() { return inspect::first_of(&stream_map::streams_); }

private:
    /// Removes the key of a stream that is about to be destroyed.
    void forget(const entry& ended) { by_key_.erase(by_key_.find(*ended.key)); }

    std::unordered_map<K, typename set::node*, Hash, Equal> by_key_;
    set streams_;
};

}  // namespace eddy
