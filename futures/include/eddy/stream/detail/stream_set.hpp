// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <eddy/future/detail/future_set.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// A set of streams in which only woken streams are polled: the state of stream_map and select_all. `Entry` has a
/// member `items`, which is the stream, and other data of the set's owner. The streams take turns: after an item, a
/// stream is queued behind the streams that were woken before.
/// Thread safety: one thread at a time. The streams may be woken on any thread.
template <class Entry>
class stream_set {
    using set = future_set<Entry>;

public:
    using node = typename set::node;
    using stream_type = decltype(Entry::items);

    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return streams_.is_empty(); }
    [[nodiscard]] node* first() const noexcept { return streams_.first(); }

    /// Adds a stream and queues it for its first poll, behind the streams that are already queued.
    node& push(Entry&& entry) { return streams_.push(std::move(entry)); }
    /// Removes and destroys a stream.
    void release(node& one) noexcept { streams_.release(one); }
    void clear() noexcept { streams_.clear(); }

    /// Polls for the next item of any stream. Returns `make(entry, item)`, or nullopt if all streams have ended. Calls
    /// `ended(entry)` for each stream that has ended, and removes it.
    /// Errors: rethrows the exception of a stream. The stream stays in the set and is polled again.
    template <class Item, class Make, class Ended>
    poll_result<std::optional<Item>> poll_next(context& cx, Make make, Ended ended) {
        if (is_empty()) return std::nullopt;
        if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
        budget_guard cost(cx);
        std::optional<Item> item;
        const auto poll_one = [&](node& one, context& its) {
            auto next = requeue_on_exception(its, [&] { return one.future.items.poll_next(its); });
            if (!next) return set::polled::waits;
            if (!next->has_value()) {
                ended(one.future);
                return streams_.release_ended(one);
            }
            its.waker().wake_by_ref();  // there may be more items: queued behind the other woken streams
            item.emplace(make(one.future, **std::move(next)));
            return set::polled::last;
        };
        if (!streams_.poll_woken(cx, poll_one)) return not_ready;
        static_cast<void>(cx.budget() != 0 && cost.is_paid());
        return item;
    }

    /// Cancels all streams. Returns ready when they are gone. Calls `ended(entry)` for each stream, and removes it.
    /// Errors: rethrows the exception of a stream. The stream stays in the set and is polled again.
    template <class Ended>
    poll_result<void> poll_cancel(context& cx, Ended ended)
        requires cancellable_stream<stream_type>
    {
        return streams_.poll_cancel(cx, [&](Entry& one, context& its) {
            if (!one.items.poll_cancel(its)) return false;
            ended(one);
            return true;
        });
    }

    /// The streams of the set.
    static constexpr bool is_part = true;
    static constexpr auto wait_shape() {
        return inspect::first_of(set::children_in(&stream_set::streams_, child(&Entry::items)));
    }

private:
    set streams_;
};

}  // namespace eddy::detail
