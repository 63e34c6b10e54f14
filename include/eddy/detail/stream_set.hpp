// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <eddy/detail/future_set.hpp>
#include <eddy/detail/stream_adaptor.hpp>
#include <eddy/future.hpp>

namespace eddy::detail {

/// Any number of streams, of which only those are polled that were woken: what stream_map and select_all stand on.
/// `Entry` has a stream `items`, and what its owner wants to know besides. They take turns: one that has given an item
/// is queued behind those that were woken before.
template <class Entry>
class stream_set {
    using set = future_set<Entry>;

public:
    using node = typename set::node;
    using stream_type = decltype(Entry::items);

    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return streams_.is_empty(); }
    [[nodiscard]] node* first() const noexcept { return streams_.first(); }

    node& push(Entry&& entry) {
        if (is_empty()) is_ending_ = false;  // of those that were cleared half way
        return streams_.push(std::move(entry));
    }
    void release(node& one) noexcept { streams_.release(one); }
    void clear() noexcept { streams_.clear(); }

    /// The next item of any, made by `make(entry, item)`; nothing if all have ended, each of which was told to
    /// `ended(entry)` and is gone. What a stream throws comes out; it stays, and is asked again.
    template <class Item, class Make, class Ended>
    poll_result<std::optional<Item>> poll_next(context& cx, Make make, Ended ended) {
        if (is_empty()) return std::nullopt;
        if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
        toll cost(cx);
        std::optional<Item> item;
        const auto poll_one = [&](node& one, context& its) {
            auto next = asked_again_if_it_throws(its, [&] { return one.future.items.poll_next(its); });
            if (!next) return set::polled::waits;
            if (!next->has_value()) {
                ended(one.future);
                release(one);
                return is_empty() ? set::polled::last : set::polled::ended;
            }
            its.waker().wake_by_ref();  // there may be more: it has its turn again after the others
            item.emplace(make(one.future, **std::move(next)));
            return set::polled::last;
        };
        if (!streams_.poll_woken(cx, poll_one)) return not_ready;
        static_cast<void>(cx.budget() != 0 && cost.is_paid());
        return item;
    }

    /// Ends all in an orderly way. Ready when they are gone, each of which was told to `ended(entry)`. What a stream
    /// throws comes out; it stays, and is asked again.
    template <class Ended>
    poll_result<void> poll_cancel(context& cx, Ended ended)
        requires cancellable_stream<stream_type>
    {
        if (!std::exchange(is_ending_, true)) streams_.queue_all();
        const auto end_one = [&](node& one, context& its) {
            const auto is_over = asked_again_if_it_throws(its, [&] { return one.future.items.poll_cancel(its); });
            if (!is_over) return set::polled::waits;
            ended(one.future);
            release(one);
            return is_empty() ? set::polled::last : set::polled::ended;
        };
        if (!is_empty() && !streams_.poll_woken(cx, end_one)) return not_ready;
        is_ending_ = false;
        return poll_result<void>::ready();
    }

private:
    set streams_;
    bool is_ending_ = false;
};

}  // namespace eddy::detail
