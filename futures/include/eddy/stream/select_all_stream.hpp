// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/detail/stream_set.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::streams {

/// Any number of streams of one type, combined to one stream. Created by select_all(), or empty. In other respects it
/// behaves as a stream_map, which also has keys.
/// Cancel safety: safe. A future of the next item that is dropped before it is ready has taken no item.
template <class S>
class [[nodiscard]] select_all_stream : public stream_ops<select_all_stream<S>> {
    struct entry {
        S items;
    };

public:
    /// The type of the streams.
    using stream_type = S;
    using item_type = detail::item_t<S>;

    /// Creates an empty stream, which has ended until the first push().
    select_all_stream() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    /// Adds a stream. The next poll of this object polls it; push() does not wake the task.
    void push(S items) { streams_.push(entry{std::move(items)}); }

    /// Returns the number of streams that have not ended, and whether there are none.
    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return streams_.is_empty(); }
    /// Destroys all streams.
    void clear() noexcept { streams_.clear(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return streams_.template poll_next<item_type>(
            cx, [](entry&, item_type&& item) -> item_type&& { return std::move(item); }, [](entry&) {});
    }

    /// Ends all streams gracefully. Returns ready when they are gone; this object is empty then.
    /// Errors: exceptions of a stream's poll_cancel() pass through. That stream stays, and the next poll_cancel() polls
    /// it again.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<S>
    {
        return streams_.poll_cancel(cx, [](entry&) {});
    }

    static constexpr auto wait_shape() { return inspect::first_of(&select_all_stream::streams_); }

private:
    detail::stream_set<entry> streams_;
};

/// Returns a stream of the items of all streams of a range, in the order in which they become available. Only streams
/// that were woken are polled, in rotation.
///     auto all = streams::select_all(std::move(vector_of_streams));
/// Cancel safety: safe; see select_all_stream.
template <class Range>
[[nodiscard]] auto select_all(Range&& range) {
    constexpr bool given = !std::is_lvalue_reference_v<Range>;
    static_assert(given, "eddy: select_all takes ownership of its streams: write std::move(streams)");
    if constexpr (given) {
        constexpr bool streams = stream<std::ranges::range_value_t<Range>>;
        static_assert(streams, "eddy: select_all of streams::... takes a range of streams");
        if constexpr (streams) {
            select_all_stream<std::ranges::range_value_t<Range>> all;
            for (auto&& one : range) all.push(std::move(one));
            return all;
        } else {
            return detail::broken_stream();
        }
    } else {
        return detail::broken_stream();
    }
}

}  // namespace eddy::streams
