// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/stream_set.hpp>
#include <eddy/future.hpp>
#include <eddy/stream.hpp>

namespace eddy {

/// An item of a stream_map: with the key of its stream.
template <class K, class T>
struct keyed {
    K key;
    T value;

    keyed(const K& k, T&& v) : key(k), value(std::move(v)) {}

    std::tuple<K, T> into_parts() && { return {std::move(key), std::move(value)}; }
};

/// Streams of one type under keys, and a stream of their items, each with its key. Streams can be added and removed at
/// any time. One that ends is removed; the map's own stream ends when it is empty, and goes on when something is
/// inserted after that.
///
///     eddy::stream_map<std::string, subscription> channels;
///     channels.insert("news", subscribe("news"));
///     while (auto message = co_await channels.next()) show(message->key, message->value);
///
/// Only the streams that were woken are polled, so that it costs the same however many there are. They take turns: one
/// that has given an item comes again after all that were woken before. What a stream throws comes out of the poll; the
/// stream stays. Cancel safety: safe. A next() that is dropped takes no item with it. Thread safety: one thread at a
/// time; the streams may be woken on any. Lifetime: streams are moved in, and stay at one address until they are
/// removed; the map itself may be moved at any time. The poll of a stream must not touch the map; its destructor may,
/// and does not find the stream there any more. Cost: one block of the frame pool and one node of a hash map for each
/// stream.
template <class K, stream S, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class [[nodiscard]] stream_map : public stream_ops<stream_map<K, S, Hash, Equal>> {
    struct entry {
        S items;
        const K* key;  // in `by_key_`, whose keys stay where they are
    };
    using set = detail::stream_set<entry>;

public:
    using key_type = K;
    using stream_type = S;
    using item_type = keyed<K, detail::item_t<S>>;
    static constexpr bool took_closure = detail::is_marked<S>;

    stream_map() {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// Adds a stream. False if another one had that key, which is destroyed. It is polled by the next poll of the map,
    /// which nothing is woken for.
    bool insert(K key, S items) {
        bool is_new = true;
        while (remove(key)) is_new = false;  // again, if the destructor has put another one there
        const auto at = by_key_.try_emplace(std::move(key), nullptr).first;
        try {
            at->second = &streams_.push(entry{std::move(items), &at->first});
        } catch (...) {
            by_key_.erase(at);
            throw;
        }
        return is_new;
    }

    /// Destroys the stream of a key. False if there is none.
    bool remove(const K& key) {
        const auto at = by_key_.find(key);
        if (at == by_key_.end()) return false;
        auto& removed = *at->second;
        by_key_.erase(at);  // first, as its destructor may look
        streams_.release(removed);
        return true;
    }

    /// The stream of a key, which stays where it is; null if there is none.
    [[nodiscard]] S* find(const K& key) {
        const auto at = by_key_.find(key);
        return at == by_key_.end() ? nullptr : &at->second->future.items;
    }

    [[nodiscard]] bool contains(const K& key) const { return by_key_.contains(key); }
    [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return by_key_.empty(); }

    void clear() noexcept {
        // Destroyed last: the destructors of streams may look, and insert others.
        const set gone = std::move(streams_);
        by_key_.clear();
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return streams_.template poll_next<item_type>(
            cx, [](entry& from, detail::item_t<S>&& item) { return item_type(*from.key, std::move(item)); },
            [this](entry& ended) { forget(ended); });
    }

    /// Ends all in an orderly way: ready when they are gone. Then this is empty; before, it has those that are left.
    /// Errors: what a stream's end throws comes out. The stream stays, and is asked again by the next poll_cancel.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<S>
    {
        return streams_.poll_cancel(cx, [this](entry& ended) { forget(ended); });
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        size_bounds all(0, 0);
        for (const auto& [key, node] : by_key_) all = detail::add(all, detail::bounds_of(node->future.items));
        return all;
    }

private:
    /// Takes the key of a stream out, which is gone next.
    void forget(const entry& ended) { by_key_.erase(by_key_.find(*ended.key)); }

    std::unordered_map<K, typename set::node*, Hash, Equal> by_key_;
    set streams_;
};

}  // namespace eddy
