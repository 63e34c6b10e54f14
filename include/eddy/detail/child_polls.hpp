// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/detail/future_set.hpp>
#include <eddy/future/future.hpp>

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
    /// `first`, and children that have ended are included. Exceptions pass through; that child is polled again later.
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

}  // namespace eddy::detail
