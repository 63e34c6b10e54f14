// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <tuple>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/stream_ops.hpp>

// Adapters that combine two streams. See stream_ops.

namespace eddy::detail {

/// The base of an adapter of two streams.
template <class Self, class A, class B>
class adaptor_of_two : public stream_ops<Self> {
public:
    [[nodiscard]] size_bounds size_hint() const noexcept {
        return detail::add(first_.size_hint(), second_.size_hint());
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_stream<A> || cancellable_stream<B>)
    {
        if (!end_both(cx)) return not_ready;
        return poll_result<void>::ready();
    }

protected:
    adaptor_of_two(A&& first, B&& second) : first_(std::move(first)), second_(std::move(second)) {}

    /// Ends both streams. Returns true when both are gone.
    [[nodiscard]] bool end_both(context& cx) {
        return in_turn_([&] { return first_.cancel(cx); }, [&] { return second_.cancel(cx); });
    }

    detail::inner_stream<A> first_;
    detail::inner_stream<B> second_;

private:
    detail::end_in_turn in_turn_;
};

}  // namespace eddy::detail

namespace eddy::streams {

/// The stream that stream_ops::chain() returns.
/// Cancel safety: safe; see stream_ops.
template <class A, class B>
class [[nodiscard]] chain_stream : public detail::adaptor_of_two<chain_stream<A, B>, A, B> {
public:
    using item_type = detail::item_t<A>;

    chain_stream(A&& first, B&& second) : chain_stream::adaptor_of_two(std::move(first), std::move(second)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!this->first_.has_ended()) {
            auto next = this->first_.poll_next(cx);
            if (!next || next->has_value()) return next;
        }
        return this->second_.poll_next(cx);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&chain_stream::first_, &chain_stream::second_); }
};

/// The stream that stream_ops::merge() returns.
/// Cancel safety: safe; see stream_ops.
template <class A, class B>
class [[nodiscard]] merge_stream : public detail::adaptor_of_two<merge_stream<A, B>, A, B> {
public:
    using item_type = detail::item_t<A>;

    merge_stream(A&& first, B&& second) : merge_stream::adaptor_of_two(std::move(first), std::move(second)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        second_comes_first_ = !second_comes_first_;
        return second_comes_first_ ? poll_in_order(this->first_, this->second_, cx)
                                   : poll_in_order(this->second_, this->first_, cx);
    }

    static constexpr auto wait_shape() { return inspect::first_of(&merge_stream::first_, &merge_stream::second_); }

private:
    static poll_result<std::optional<item_type>> poll_in_order(auto& one, auto& other, context& cx) {
        auto next = one.poll_next(cx);
        if (next && next->has_value()) return next;
        auto after = other.poll_next(cx);
        if (after && (after->has_value() || next.is_ready())) return after;
        return not_ready;
    }

    bool second_comes_first_ = false;
};

/// An item of stream_ops::zip().
template <class A, class B>
struct zipped {
    A first;   ///< the item of the first stream
    B second;  ///< the item of the second stream

    /// Moves the parts in.
    zipped(A&& a, B&& b) : first(std::move(a)), second(std::move(b)) {}

    /// Moves the parts out as a tuple.
    std::tuple<A, B> into_parts() && { return {std::move(first), std::move(second)}; }
};

/// The stream that stream_ops::zip() returns. Polls both streams, and keeps the item of one stream until the other
/// stream has an item.
/// Cancel safety: safe; see stream_ops.
template <class A, class B>
class [[nodiscard]] zip_stream : public detail::adaptor_of_two<zip_stream<A, B>, A, B> {
public:
    using item_type = zipped<detail::item_t<A>, detail::item_t<B>>;

    zip_stream(A&& first, B&& second) : zip_stream::adaptor_of_two(std::move(first), std::move(second)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!is_over_ && !(fill(first_item_, this->first_, cx) && fill(second_item_, this->second_, cx)))
            is_over_ = true;
        if (is_over_) {
            first_item_.reset();
            second_item_.reset();
            if (!this->end_both(cx)) return not_ready;
            return std::nullopt;
        }
        if (!first_item_ || !second_item_) return not_ready;
        std::optional<item_type> both(std::in_place, *std::move(first_item_), *std::move(second_item_));
        first_item_.reset();
        second_item_.reset();
        return both;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        const size_bounds a = detail::one_more_if(first_item_.has_value(), this->first_.size_hint());
        const size_bounds b = detail::one_more_if(second_item_.has_value(), this->second_.size_hint());
        if (!a.at_most || !b.at_most)
            return {detail::lesser(a.at_least, b.at_least), a.at_most ? a.at_most : b.at_most};
        return {detail::lesser(a.at_least, b.at_least), detail::lesser(*a.at_most, *b.at_most)};
    }

    // It waits for the streams of which it has no item.
    static constexpr auto wait_shape() {
        return inspect::all_of(inspect::child_while(&zip_stream::first_item_, false, &zip_stream::first_),
                               inspect::child_while(&zip_stream::second_item_, false, &zip_stream::second_));
    }

private:
    /// Fills `into` with the next item, unless `into` contains an item already. Returns false if the stream has ended,
    /// so that there is no further pair.
    static bool fill(auto& into, auto& from, context& cx) {
        if (into) return true;
        auto next = from.poll_next(cx);
        if (!next) return true;
        if (!next->has_value()) return false;
        into.emplace(**std::move(next));
        return true;
    }

    std::optional<detail::item_t<A>> first_item_;
    std::optional<detail::item_t<B>> second_item_;
    bool is_over_ = false;
};

}  // namespace eddy::streams
