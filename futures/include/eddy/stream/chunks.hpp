// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::detail {

/// Collects items until there are as many as requested.
template <class Item>
class chunk {
public:
    chunk(std::size_t size, std::source_location where) : size_(size) {
        if (size == 0) throw misuse("a chunk of a stream has at least one item: give it a size above zero", where);
    }

    [[nodiscard]] bool is_empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t count() const noexcept { return items_.size(); }

    /// Adds an item. Returns true if the chunk is full now.
    [[nodiscard]] bool add(Item&& item) {
        if (items_.empty()) items_.reserve(detail::lesser(size_, largest_reserve));
        items_.push_back(std::move(item));
        return items_.size() >= size_;
    }

    [[nodiscard]] std::vector<Item> take() noexcept { return std::exchange(items_, {}); }

    /// Returns the bounds of the number of chunks into which the items of this chunk and `items` further items are
    /// divided.
    [[nodiscard]] size_bounds chunks_of(size_bounds items) const noexcept {
        items = detail::add(items, size_bounds(items_.size(), items_.size()));
        size_bounds chunks(rounded_up(items.at_least), std::nullopt);
        if (items.at_most) chunks.at_most = rounded_up(*items.at_most);
        return chunks;
    }

private:
    // A size may mean "all items". A vector that needs more than this grows while it is filled.
    static constexpr std::size_t largest_reserve = 1024;

    [[nodiscard]] std::size_t rounded_up(std::size_t items) const noexcept {
        return items / size_ + (items % size_ != 0 ? 1 : 0);
    }

    std::size_t size_;
    std::vector<Item> items_;
};

}  // namespace eddy::detail

namespace eddy::streams {

/// The stream that stream_ops::chunks() returns.
/// Cancel safety: safe; the items of an incomplete chunk stay in it. See stream_ops.
template <class S>
class [[nodiscard]] chunks_stream : public detail::stream_adaptor<chunks_stream<S>, S> {
public:
    using item_type = std::vector<detail::item_t<S>>;

    chunks_stream(S&& items, std::size_t size, std::source_location where)
        : chunks_stream::stream_adaptor(std::move(items)), chunk_(size, where) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) {
                if (chunk_.is_empty()) return std::nullopt;
                return std::optional<item_type>(chunk_.take());
            }
            if (chunk_.add(**std::move(next))) return std::optional<item_type>(chunk_.take());
            if (!cost.is_paid()) return not_ready;
        }
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return chunk_.chunks_of(this->items_.size_hint()); }

private:
    detail::chunk<detail::item_t<S>> chunk_;
};

/// The stream that stream_ops::ready_chunks() returns. Between two polls it contains no items, unless the inner stream
/// has thrown.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] ready_chunks_stream : public detail::stream_adaptor<ready_chunks_stream<S>, S> {
public:
    using item_type = std::vector<detail::item_t<S>>;

    ready_chunks_stream(S&& items, std::size_t size, std::source_location where)
        : ready_chunks_stream::stream_adaptor(std::move(items)), chunk_(size, where) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_.poll_next(cx);
            if (!next || !next->has_value()) {
                if (!chunk_.is_empty()) break;
                if (!next) return not_ready;
                return std::nullopt;
            }
            if (chunk_.add(**std::move(next)) || !cost.is_paid()) break;
        }
        return std::optional<item_type>(chunk_.take());
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        const size_bounds items = this->items_.size_hint();
        // The upper bound assumes chunks of one item, and the lower bound full chunks.
        return {chunk_.chunks_of(items).at_least, detail::one_more_if(!chunk_.is_empty(), items).at_most};
    }

private:
    detail::chunk<detail::item_t<S>> chunk_;
};

}  // namespace eddy::streams
