// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <eddy/detail/future_set.hpp>
#include <eddy/future.hpp>
#include <eddy/maybe_done.hpp>
#include <eddy/stream.hpp>

namespace eddy {

/// `futures_unordered` in order: the futures run at the same time, and their outputs come out in the order in which
/// they were pushed, whichever is ready first. An output that is not due yet is kept; its future is gone. All else is
/// as there, with two differences: next() waits for the first future though others are ready; and what a future throws
/// comes out at once, and not when it would be its turn. It has no output then. Cancel safety: safe. Dropped as a
/// whole, the outputs that are kept are lost, too.
template <future F>
class futures_ordered : public stream_ops<futures_ordered<F>> {
    static_assert(std::is_same_v<F, std::remove_cvref_t<F>>,
                  "eddy: futures_ordered<F> holds futures: F is no reference");

public:
    using future_type = F;
    using item_type = detail::stored_t<output_t<F>>;

    futures_ordered() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// Moves all futures of `range` in.
    template <std::ranges::input_range R>
        requires(!std::is_lvalue_reference_v<R> && std::same_as<std::ranges::range_value_t<R>, F>)
    explicit futures_ordered(R&& range) {
        for (auto&& one : range) push(std::move(one));
    }

    /// Adds a future whose output comes after all others.
    void push(F future) { futures_.push(maybe_done_future<F>(std::move(future))); }

    /// Adds a future whose output comes before all others.
    void push_front(F future) { futures_.push(maybe_done_future<F>(std::move(future)), true); }

    /// How many outputs are to come.
    [[nodiscard]] std::size_t size() const noexcept { return futures_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return futures_.is_empty(); }

    /// Destroys all, futures and outputs.
    void clear() noexcept { futures_.clear(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (is_empty()) return poll_result<std::optional<item_type>>(std::nullopt);
        if (!cx.consume_budget()) return not_ready;
        if (is_first_done()) return take_first();
        cx.refund_budget();
        if (!futures_.poll_woken(cx, [this](node& one, context& its) { return poll_one(one, its); }).is_ready())
            return not_ready;
        return take_first();
    }

    /// Ends all in an orderly way: ready when they are gone. Then this is empty.
    /// Errors: what a future's end throws comes out. The future stays, and is asked again by the next poll_cancel.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return futures_.poll_cancel(cx);
    }

private:
    using set = detail::future_set<maybe_done_future<F>>;
    using node = typename set::node;

    [[nodiscard]] bool is_first_done() const noexcept { return futures_.first()->future.is_done(); }

    typename set::polled poll_one(node& one, context& its) {
        if (one.future.is_done()) return set::polled::ended;  // a wake that came after its end
        const auto before = its.budget();
        try {
            if (!one.future.poll(its).is_ready()) return set::polled::waits;
        } catch (...) {
            futures_.release(one);
            throw;
        }
        if (its.budget() == before) static_cast<void>(its.consume_budget());
        return &one == futures_.first() ? set::polled::last : set::polled::ended;
    }

    poll_result<std::optional<item_type>> take_first() {
        const struct release_at_end {
            set& of;
            node& one;
            ~release_at_end() { of.release(one); }
        } done{futures_, *futures_.first()};
        return std::optional<item_type>(done.one.future.take_output());
    }

    set futures_;
};

template <std::ranges::input_range R>
futures_ordered(R&&) -> futures_ordered<std::ranges::range_value_t<R>>;

}  // namespace eddy
