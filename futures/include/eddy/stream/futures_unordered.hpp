// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <type_traits>
#include <utility>

#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/future_set.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/all.hpp>

namespace eddy {

/// Runs any number of futures of one type concurrently within one task: a stream of their outputs, in the order in
/// which they become ready. Futures can be added at any time, also while others run. An output of void is
/// std::monostate.
///
///     eddy::futures_unordered<eddy::task<int>> jobs;
///     for (int i = 0; i < 1000; ++i) jobs.push(job(i));
///     while (auto done = co_await jobs.next()) use(*done);
///
/// Only woken futures are polled, so the cost of a wake-up does not depend on the number of futures. The stream ends
/// when it is empty, and continues if a future is pushed after that. A future is destroyed before its output is
/// returned. An exception of a future is thrown by the poll; that future is removed, and the others continue. To run
/// futures on several threads, spawn them: see join_set. For outputs in the order of the pushes, see futures_ordered.
///
/// Fairness: futures are polled in the order of their wake-ups. The task yields to other tasks after 128 polls, when
/// its coop budget is used up, and when a future has woken itself. An output takes one unit of the budget, unless its
/// future has taken one.
///
/// Cancel safety: safe. A next() that is dropped loses nothing; the futures stay. Destroying this object destroys all
/// futures, one after the other.
/// Thread safety: not synchronized; use one object from one thread at a time. The futures may be woken on any thread,
/// even after they and this object are destroyed.
/// Lifetime: futures are moved in and then stay at one address. This object may be moved at any time. A poll of one of
/// its futures must not move, clear or destroy it.
/// Cost: one block from the frame pool for each future; one allocation for the first; two atomic read-modify-write
/// operations for a wake-up.
template <future F>
class futures_unordered : public stream_ops<futures_unordered<F>> {
    static_assert(std::is_same_v<F, std::remove_cvref_t<F>>,
                  "eddy: futures_unordered<F> holds futures: F must not be a reference");

public:
    using future_type = F;
    using item_type = detail::stored_t<output_t<F>>;

    static constexpr const char* wakes_one_task = "a futures_unordered";
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;

    /// Constructs an empty set.
    futures_unordered() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    futures_unordered(futures_unordered&&) noexcept = default;
    futures_unordered& operator=(futures_unordered&&) noexcept = default;
    ~futures_unordered() { detail::check_not_awaited(this, "a futures_unordered"); }

    /// Takes ownership of all futures of `range`: `futures_unordered jobs(std::move(vector))`.
    template <std::ranges::input_range R>
        requires(!std::is_lvalue_reference_v<R> && std::same_as<std::ranges::range_value_t<R>, F>)
    explicit futures_unordered(R&& range) {
        for (auto&& one : range) push(std::move(one));
    }

    /// Adds a future. The next poll of this set polls it; push() itself wakes no task. If two branches of a task share
    /// the set, poll next() after the push.
    void push(F future) { futures_.push(std::move(future)); }

    /// Returns the number of futures that have not ended, and whether there are none.
    [[nodiscard]] std::size_t size() const noexcept { return futures_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return futures_.is_empty(); }

    /// Destroys all futures. Their outputs are lost.
    void clear() noexcept { futures_.clear(); }

    /// Errors: throws the exception of a future, which is then removed.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        using set = detail::future_set<F>;
        if (is_empty()) return poll_result<std::optional<item_type>>(std::nullopt);
        if (!cx.consume_budget()) return not_ready;
        cx.refund_budget();
        std::optional<item_type> item;
        const auto poll_one = [&](typename set::node& one, context& its) {
            const auto before = its.budget();
            if (!take_output_of(one, its, item)) return set::polled::waits;
            if (its.budget() == before) static_cast<void>(its.consume_budget());  // succeeds: checked above
            return set::polled::last;
        };
        if (!futures_.poll_woken(cx, poll_one).is_ready()) return not_ready;
        return poll_result<std::optional<item_type>>(std::move(item));
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
        return inspect::first_of(detail::future_set<F>::children_in(&futures_unordered::futures_));
    }

private:
    bool take_output_of(detail::future_node<F>& one, context& its, std::optional<item_type>& item) {
        try {
            auto answer = one.future.poll(its);
            if (!answer.is_ready()) return false;
            item.emplace(detail::take_output(std::move(answer)));
        } catch (...) {
            futures_.release(one);
            throw;
        }
        futures_.release(one);
        return true;
    }

    detail::future_set<F> futures_;
};

/// Deduces `F` from the range.
template <std::ranges::input_range R>
futures_unordered(R&&) -> futures_unordered<std::ranges::range_value_t<R>>;

}  // namespace eddy
