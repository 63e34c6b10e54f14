// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>

// Streams whose items the test provides, and a stream that is polled by hand.

namespace support {

/// The items and the state of a stream. A source must outlive its stream.
template <class Item>
struct source {
    std::deque<Item> items;
    bool ended = false;
    bool alive = false;
    int polls = 0;
    eddy::waker waker = {};

    void give(Item item) {
        items.push_back(std::move(item));
        std::exchange(waker, eddy::waker()).wake();
    }
    void end() {
        ended = true;
        std::exchange(waker, eddy::waker()).wake();
    }
};

template <class Item>
class items_of : public eddy::stream_ops<items_of<Item>> {
public:
    using item_type = Item;

    explicit items_of(source<Item>& from) noexcept : from_(&from) { from.alive = true; }
    items_of(items_of&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
    items_of& operator=(items_of&&) = delete;
    ~items_of() {
        if (from_ != nullptr) from_->alive = false;
    }

    eddy::poll_result<std::optional<Item>> poll_next(eddy::context& cx) {
        ++from_->polls;
        if (!from_->items.empty()) {
            std::optional<Item> item(std::move(from_->items.front()));
            from_->items.pop_front();
            return item;
        }
        if (from_->ended) return std::nullopt;
        from_->waker = cx.waker();
        return eddy::not_ready;
    }

private:
    source<Item>* from_;
};

/// A stream that is always ready and ignores the coop budget. Its items are the numbers from 1. `polls` counts its
/// polls.
class always_ready : public eddy::stream_ops<always_ready> {
public:
    using item_type = int;

    explicit always_ready(int& polls) noexcept : polls_(&polls) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional(++*polls_); }

private:
    int* polls_;
};

/// A stream of the numbers from 1 to `last`.
inline auto one_to(int last) {
    std::vector<int> all(static_cast<std::size_t>(last));
    std::iota(all.begin(), all.end(), 1);
    return eddy::streams::iter(std::move(all));
}

/// Owns a stream and polls it when the test says so; counts how often it is woken.
template <class S>
class stream_by_hand {
public:
    using item_type = typename S::item_type;

    explicit stream_by_hand(S items) : items_(std::move(items)), waker_(counter_.waker()) {}
    stream_by_hand(const stream_by_hand&) = delete;
    stream_by_hand& operator=(const stream_by_hand&) = delete;

    // Not inlined: otherwise GCC 12 warns that an item of a stream on the test's stack may be uninitialized.
    [[gnu::noinline]] eddy::poll_result<std::optional<item_type>> poll(
        std::uint32_t budget = eddy::context::default_budget) {
        seen_ = wakes();
        eddy::context cx(waker_, budget);
        return items_->poll_next(cx);
    }

    eddy::poll_result<void> poll_cancel() {
        seen_ = wakes();
        eddy::context cx(waker_);
        return items_->poll_cancel(cx);
    }

    /// Polls until a poll is pending or the stream has ended. Returns the items.
    [[gnu::noinline]] std::vector<item_type> take_ready() {
        std::vector<item_type> taken;
        for (;;) {
            auto next = poll();
            if (!next || !next->has_value()) return taken;
            taken.push_back(**std::move(next));
        }
    }

    [[nodiscard]] std::uint64_t wakes() const noexcept { return counter_.wakes(); }
    [[nodiscard]] bool is_woken() const noexcept { return wakes() != seen_; }
    [[nodiscard]] std::uint64_t wakers() const noexcept { return counter_.wakers() - 1; }
    [[nodiscard]] S& stream() noexcept { return *items_; }
    void drop() noexcept { items_.reset(); }

private:
    eddy::test::wake_counter counter_;
    std::optional<S> items_;
    eddy::waker waker_;
    std::uint64_t seen_ = 0;
};

}  // namespace support
