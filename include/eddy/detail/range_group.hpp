// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/child_polls.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/maybe_done.hpp>

// What `group` is for a number of futures that is known when it is written, for a range of futures of one type: the one
// behind join_all and try_join_all. A rule says what sets one apart:
//
//     name                        for the text of misuse
//     output<F>                   the group's output
//     decides(out)                whether a child's output is the end of the group
//     deliver<Output>(kids, which) the group's output; `which` is the child that decided, or their number if none has

namespace eddy::detail {

/// What is made of an element of the range that is given as an `R&&`.
template <class R>
using element_t = owned_t<std::ranges::range_value_t<R>>;

/// Whether a combinator takes a range deduced as `R`. If not, the text says what to write.
template <class R>
constexpr bool check_range() {
    constexpr bool given = !std::is_lvalue_reference_v<R>;
    static_assert(given, "eddy: this takes a range of futures over: write std::move(futures)");
    constexpr bool is_range = !given || std::ranges::input_range<R>;
    static_assert(is_range, "eddy: this takes a range of futures of one type, a std::vector<task<int>> for example");
    if constexpr (!given || !is_range) {
        return false;
    } else {
        return check_futures<std::ranges::range_value_t<R>>();
    }
}

/// Calls `take` with each element, to be moved from.
template <class R, class Fn>
void for_each_future_of(R&& range, Fn take) {
    using given = std::ranges::range_value_t<R>;
    for (auto&& one : range) take(element_t<R>(detail::own<given>(static_cast<given&&>(one))));
}

template <class Rule, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] range_group
    : public future_ops<range_group<Rule, F>> {
    using child = maybe_done_future<F>;
    using polled = child_polls::polled;

public:
    using output_type = typename Rule::template output<F>;
    static constexpr bool took_closure = is_marked<F>;

    explicit range_group(std::vector<child>&& children)
        : children_(std::in_place, std::move(children)), polls_(children_->size()) {}

    poll_result<output_type> poll(context& cx) {
        if (!children_) throw_has_ended(Rule::name, cx.where());
        if (!decided_) poll_children(cx);
        if (!decided_ || !end_losers(cx)) return not_ready;
        const reset_at_end ended{children_};
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return poll_result<output_type>(Rule::template deliver<output_type>(*children_, *decided_));
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (children_ && !cancel_children(cx, nobody)) return not_ready;
        children_.reset();
        return poll_result<void>::ready();
    }

private:
    /// The children are gone before the output or the exception comes out.
    struct reset_at_end {
        std::optional<std::vector<child>>& which;
        ~reset_at_end() { which.reset(); }
    };

    void poll_children(context& cx) {
        const auto poll_child = [&](std::size_t number, context& its) { return this->poll_child(number, its); };
        if (polls_.poll(cx, next_to_begin(), poll_child) == child_polls::outcome::all_ended)
            decided_ = children_->size();
    }

    /// R045: as join() does, lets another one be the first each time.
    std::size_t next_to_begin() noexcept {
        const std::size_t count = children_->size();
        return start_ = count == 0 ? 0 : (start_ + 1) % count;
    }

    polled poll_child(std::size_t number, context& its) {
        child& one = (*children_)[number];
        if (one.is_done()) return polled::ended;
        try {
            if (!one.poll(its).is_ready()) return polled::waits;
            if (!Rule::decides(one.output())) return polled::ended;
        } catch (...) {
            failure_ = std::current_exception();
        }
        decided_ = number;
        return polled::last;
    }

    bool end_losers(context& cx) {
        if (failure_) return cancel_children(cx, nobody);
        return *decided_ == children_->size() || cancel_children(cx, *decided_);
    }

    /// Ends all but the output of `winner`. As in a group, outputs that nobody will take are gone first.
    bool cancel_children(context& cx, std::size_t winner) {
        if constexpr (cancellable_future<F>) {
            if (!std::exchange(is_ending_, true)) {
                drop_outputs(winner);
                polls_.queue_all();
            }
            const auto cancel_child = [&](std::size_t number, context& its) {
                return (*children_)[number].poll_cancel(its).is_ready() ? polled::ended : polled::waits;
            };
            return polls_.poll(cx, next_to_begin(), cancel_child) == child_polls::outcome::all_ended;
        } else {
            return true;
        }
    }

    void drop_outputs(std::size_t winner) noexcept {
        for (std::size_t i = 0; i < children_->size(); ++i) {
            if (child& one = (*children_)[i]; i != winner && one.is_done()) one.drop();
        }
    }

    /// The number of no child.
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    std::optional<std::vector<child>> children_;  // empty when the group has ended
    child_polls polls_;
    std::size_t start_ = static_cast<std::size_t>(-1);
    std::optional<std::size_t> decided_;
    std::exception_ptr failure_;
    bool is_ending_ = false;
};

/// Makes the future of a group.
template <class Rule, class R>
auto make_range_group(R&& range) {
    using F = element_t<R>;
    std::vector<maybe_done_future<F>> children;
    if constexpr (std::ranges::sized_range<R>) children.reserve(static_cast<std::size_t>(std::ranges::size(range)));
    for_each_future_of(std::forward<R>(range), [&](F&& one) { children.emplace_back(std::move(one)); });
    return range_group<Rule, F>(std::move(children));
}

}  // namespace eddy::detail
