// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <type_traits>
#include <utility>

#include <eddy/future/detail/future_set.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/maybe_done.hpp>
#include <eddy/stream/all.hpp>

namespace eddy {

/// Runs any number of futures of one type concurrently within one task: a stream of their outputs in the order of the
/// pushes, whichever future is ready first. An output that is ready early is kept; its future is destroyed. An output
/// of void is std::monostate. Otherwise it is the same as futures_unordered, with two differences:
/// - next() waits for the first future even if others are ready.
/// - An exception of a future is thrown immediately, out of order. That future has no output.
///
/// Cancel safety: safe. A next() that is dropped loses nothing. Destroying this object destroys the futures and the
/// outputs that it keeps.
/// Thread safety, Lifetime, Cost: see futures_unordered.
template <future F>
class futures_ordered : public stream_ops<futures_ordered<F>> {
    static_assert(std::is_same_v<F, std::remove_cvref_t<F>>,
                  "eddy: futures_ordered<F> holds futures: F must not be a reference");

public:
    using future_type = F;
    using item_type = detail::stored_t<output_t<F>>;
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;

    /// Constructs an empty set.
    futures_ordered() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Takes ownership of all futures of `range`.
    template <std::ranges::input_range R>
        requires(!std::is_lvalue_reference_v<R> && std::same_as<std::ranges::range_value_t<R>, F>)
    explicit futures_ordered(R&& range) {
        for (auto&& one : range) push(std::move(one));
    }

    /// Adds a future whose output is returned after all others. See futures_unordered::push().
    void push(F future) { futures_.push(maybe_done_future<F>(std::move(future))); }

    /// Adds a future whose output is returned before all others.
    void push_front(F future) { futures_.push(maybe_done_future<F>(std::move(future)), true); }

    /// Returns the number of outputs that were not returned yet, and whether there are none.
    [[nodiscard]] std::size_t size() const noexcept { return futures_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return futures_.is_empty(); }

    /// Destroys all futures and outputs.
    void clear() noexcept { futures_.clear(); }

    /// Errors: throws the exception of a future, which is then removed.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (is_empty()) return poll_result<std::optional<item_type>>(std::nullopt);
        if (!cx.consume_budget()) return not_ready;
        if (is_first_done()) return take_first();
        cx.refund_budget();
        if (!futures_.poll_woken(cx, [this](node& one, context& its) { return poll_one(one, its); }).is_ready())
            return not_ready;
        return take_first();
    }

    /// Cancels all futures gracefully. Returns ready when all are destroyed; then this set is empty.
    /// Errors: throws the exception of a future's poll_cancel(). That future stays, and the next poll_cancel() polls it
    /// again.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return futures_.poll_cancel(cx);
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(
            set::children_in(&futures_ordered::futures_, detail::described<maybe_done_future<F>>.children[0]));
    }

private:
    using set = detail::future_set<maybe_done_future<F>>;
    using node = typename set::node;

    [[nodiscard]] bool is_first_done() const noexcept { return futures_.first()->future.is_done(); }

    typename set::polled poll_one(node& one, context& its) {
        if (one.future.is_done()) return set::polled::ended;  // a wake-up that arrived after its end
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

/// Deduces `F` from the range.
template <std::ranges::input_range R>
futures_ordered(R&&) -> futures_ordered<std::ranges::range_value_t<R>>;

}  // namespace eddy
