// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/detail/future_set.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/maybe_done.hpp>

namespace eddy::detail {

/// Selects the children to poll in a future with a fixed number of children. With up to 30 children all are polled, as
/// in join(). With more children, each has its own waker, and only woken children are polled.
class child_polls {
    using numbers = future_set<std::size_t>;

public:
    /// The largest number of children that are polled without their own wakers.
    static constexpr std::size_t few = 30;

    /// The result of polling one child: it waits, it has ended, or it has ended and decides the outcome of all.
    using polled = numbers::polled;
    enum class outcome : unsigned char { waits, all_ended, decided };

    explicit child_polls(std::size_t count) noexcept : count_(count) {}

    /// Calls `poll_child(number, context&)` for the selected children. If all are selected, the first is number
    /// `first`, and children that have ended are included. A child whose exception passes through is polled again.
    template <class Fn>
    outcome poll(context& cx, std::size_t first, Fn&& poll_child) {
        return count_ <= few ? poll_all(cx, first, poll_child) : poll_woken(cx, poll_child);
    }

    /// Makes the next poll include all children, woken or not.
    void queue_all() noexcept { numbers_.queue_all(); }

private:
    template <class Fn>
    outcome poll_all(context& cx, std::size_t first, Fn& poll_child) {
        bool has_all_ended = true;
        for (std::size_t i = 0; i < count_; ++i) {
            const std::size_t number = (first + i) % count_;
            const polled answer = poll_child(number, cx);
            if (answer == polled::last) return outcome::decided;
            if (answer == polled::waits) has_all_ended = false;
        }
        return has_all_ended ? outcome::all_ended : outcome::waits;
    }

    template <class Fn>
    outcome poll_woken(context& cx, Fn& poll_child) {
        // If push() throws for lack of memory, the next poll adds the missing children.
        for (; begun_ < count_; ++begun_) numbers_.push(std::size_t{begun_});
        bool is_decided = false;
        const auto poll_one = [&](numbers::node& one, context& its) {
            const polled answer = requeue_on_exception(its, [&] { return poll_child(one.future, its); });
            if (answer == polled::waits) return answer;
            is_decided = answer == polled::last;
            numbers_.release(one);
            return is_decided || numbers_.is_empty() ? polled::last : polled::ended;
        };
        if (numbers_.is_empty()) return outcome::all_ended;
        if (!numbers_.poll_woken(cx, poll_one).is_ready()) return outcome::waits;
        return is_decided ? outcome::decided : outcome::all_ended;
    }

    std::size_t count_;
    std::size_t begun_ = 0;  // the number of children that were added to numbers_
    numbers numbers_;
};

// The future behind join_all and try_join_all: the counterpart of `group` for a range of futures of one type. The
// `Rule` parameter distinguishes the combinators:
//
//     name                              the combinator's name in the text of a misuse error
//     output<F>                         the group's output
//     decides(out)                      whether a child's output ends the group
//     deliver<Output>(children, which)  the group's output; `which` is the index of the child that has decided, or the
//                                       number of children if none has

/// The type in which a group stores an element of a range passed as `R&&`.
template <class R>
using element_t = owned_t<std::ranges::range_value_t<R>>;

/// Checks that a combinator accepts a range deduced as `R`. A failure is a static_assert that says what to write.
template <class R>
constexpr bool check_range() {
    constexpr bool given = !std::is_lvalue_reference_v<R>;
    static_assert(given, "eddy: this takes ownership of its range of futures: write std::move(futures)");
    constexpr bool is_range = !given || std::ranges::input_range<R>;
    static_assert(is_range, "eddy: this takes a range of futures of one type, for example a std::vector<task<int>>");
    if constexpr (!given || !is_range) {
        return false;
    } else {
        return check_futures<std::ranges::range_value_t<R>>();
    }
}

/// Calls `take` with each element, as an rvalue.
template <class R, class Fn>
void for_each_future_of(R&& range, Fn take) {
    using given = std::ranges::range_value_t<R>;
    for (auto&& one : range) take(element_t<R>(detail::own<given>(static_cast<given&&>(one))));
}

/// Polls all children, until one decides or all have ended. Then cancels the rest and returns the rule's output.
/// Errors: a child's exception cancels the other children and is rethrown.
/// Cancel safety: not safe. The outputs of children that have ended are lost.
/// Thread safety: same as any future; see eddy::future.
template <class Rule, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] range_group
    : public future_ops<range_group<Rule, F>> {
    using child = maybe_done_future<F>;
    using polled = child_polls::polled;

public:
    using output_type = typename Rule::template output<F>;

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

    /// For readers of the program's memory.
    static constexpr auto wait_shape() {
        constexpr child_record one = described<child>.children[0];
        return inspect::all_of(child_if(inspect::children(&range_group::children_), one.alive, one.alive_is));
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (children_ && !cancel_children(cx, none)) return not_ready;
        children_.reset();
        return poll_result<void>::ready();
    }

private:
    /// Destroys the children before poll() returns or throws.
    struct reset_at_end {
        std::optional<std::vector<child>>& which;
        ~reset_at_end() { which.reset(); }
    };

    void poll_children(context& cx) {
        const auto poll_child = [&](std::size_t number, context& its) { return this->poll_child(number, its); };
        if (polls_.poll(cx, next_to_begin(), poll_child) == child_polls::outcome::all_ended)
            decided_ = children_->size();
    }

    /// Starts with another child in each poll, as join() does. Otherwise the first child could use up the coop budget
    /// in every poll.
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
        if (failure_) return cancel_children(cx, none);
        return *decided_ == children_->size() || cancel_children(cx, *decided_);
    }

    /// Cancels all children but `winner`. As in `group`, outputs that will not be delivered are destroyed first.
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

    /// An index that means no child.
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::optional<std::vector<child>> children_;  // nullopt when the group has ended
    child_polls polls_;
    std::size_t start_ = static_cast<std::size_t>(-1);
    std::optional<std::size_t> decided_;
    std::exception_ptr failure_;
    bool is_ending_ = false;
};

/// Makes the future of a group from the futures of a range; a placeholder if `Fits` is false.
template <class Rule, bool Fits, class R>
auto make_range_group(R&& range) {
    if constexpr (Fits) {
        using F = element_t<R>;
        std::vector<maybe_done_future<F>> children;
        if constexpr (std::ranges::sized_range<R>) children.reserve(static_cast<std::size_t>(std::ranges::size(range)));
        for_each_future_of(std::forward<R>(range), [&](F&& one) { children.emplace_back(std::move(one)); });
        return range_group<Rule, F>(std::move(children));
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail
