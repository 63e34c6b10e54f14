// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/stream_set.hpp>
#include <eddy/future.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::streams {

/// Any number of streams of one type, as one. Made by select_all(), or empty.
/// All else is as with a stream_map, which has keys besides.
template <class S>
class [[nodiscard]] select_all_stream : public stream_ops<select_all_stream<S>> {
    struct entry {
        S items;
    };

public:
    using stream_type = S;
    using item_type = detail::item_t<S>;
    static constexpr bool took_closure = detail::is_marked<S>;

    select_all_stream() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// Adds a stream. It is polled by the next poll of this, which nothing is woken for.
    void push(S items) { streams_.push(entry{std::move(items)}); }

    /// How many have not ended.
    [[nodiscard]] std::size_t size() const noexcept { return streams_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return streams_.is_empty(); }
    void clear() noexcept { streams_.clear(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return streams_.template poll_next<item_type>(
            cx, [](entry&, item_type&& item) -> item_type&& { return std::move(item); }, [](entry&) {});
    }

    /// Ends all in an orderly way: ready when they are gone. Then this is empty.
    /// Errors: what a stream's end throws comes out. The stream stays, and is asked again by the next poll_cancel.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<S>
    {
        return streams_.poll_cancel(cx, [](entry&) {});
    }

private:
    detail::stream_set<entry> streams_;
};

/// The items of all streams of a range, as they come. Only those that were woken are polled; they take turns.
///     auto all = streams::select_all(std::move(vector_of_streams));
template <class Range>
[[nodiscard]] auto select_all(Range&& range) {
    constexpr bool given = !std::is_lvalue_reference_v<Range>;
    static_assert(given, "eddy: select_all takes its streams over: write std::move(streams)");
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
