// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/detail/woken_set.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// A future of a set. It stays at this address from push() to its end, in a memory block of the frame pool if its
/// alignment permits.
/// Lifetime: the set constructs and destroys `future`. The node itself is freed when the set and all wakers have
/// released it.
template <class F>
struct future_node : woken_node {
    // The set constructs and destroys the union member.
    future_node() noexcept {}  // NOLINT(modernize-use-equals-default)
    ~future_node() {}          // NOLINT(modernize-use-equals-default)

    union {
        F future;
    };

    static void free(woken_node& node) noexcept {
        // SAFETY: a queue with this free function contains only nodes that push() of the same type has made.
        pool_delete(&static_cast<future_node&>(node));
    }
};

/// Calls `poll` and returns its result. If it throws, queues the future whose context is `its`, and rethrows: that
/// future may not have registered its waker.
template <class Fn>
auto requeue_on_exception(context& its, Fn&& poll) {
    try {
        return poll();
    } catch (...) {
        its.waker().wake_by_ref();
        throw;
    }
}

/// A set of futures of one type. Only woken futures are polled. `F` may also be the index of a future.
/// Thread safety: one thread at a time; the wakers of the futures on any thread.
/// Preconditions: the poll of a future must not move, clear or destroy its set. The set may be moved at other times.
template <class F>
class future_set {
public:
    using node = future_node<F>;

    future_set() noexcept = default;
    future_set(future_set&& other) noexcept
        : woken_(std::move(other.woken_)), is_ending_(std::exchange(other.is_ending_, false)) {}
    future_set& operator=(future_set&& other) noexcept {
        future_set taken(std::move(other));
        woken_.swap(taken.woken_);
        std::swap(is_ending_, taken.is_ending_);
        return *this;
    }
    ~future_set() { clear(); }

    [[nodiscard]] std::size_t size() const noexcept { return woken_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }
    [[nodiscard]] node* first() const noexcept { return of(woken_.first()); }

    /// Adds a future, to be polled for the first time.
    /// Errors: throws std::bad_alloc, or what the future's move constructor throws.
    node& push(F&& future, bool at_front = false) {
        if (is_empty()) is_ending_ = false;  // the set was cleared during poll_cancel()
        woken_.open(&node::free);
        pool_box<node> made(pool_new<node>());
        std::construct_at(&made->future, std::move(future));
        woken_.hold(*made, at_front);
        return *made.release();
    }

    /// Destroys a future. Its memory is freed with the last of its wakers.
    void release(node& one) noexcept {
        // Removed first: the destructor of the future may call push() or clear() of this set.
        woken_.take_out(one);
        std::destroy_at(&one.future);
        woken_queue::drop_reference(one);
    }

    /// Destroys all futures, in the order of the set.
    void clear() noexcept {
        while (node* const one = first()) release(*one);
    }

    /// The result of polling one future: it waits, it has ended, or it has ended and poll_woken() returns.
    enum class polled : unsigned char { waits, ended, last };

    /// Calls `poll_one(node&, context&)` for each woken future. Returns ready when `poll_one` returns `last`, and
    /// not_ready when no woken future is left. To let other tasks run, it also wakes the task and returns not_ready
    /// after 128 polls, when the coop budget is used up, or when a future has woken itself.
    /// `poll_one` may release its node unless it returns `waits`. Exceptions pass through.
    template <class Fn>
    poll_result<void> poll_woken(context& cx, Fn&& poll_one) {
        bool is_to_yield = false;
        for (std::size_t polls = 0;;) {
            node* const next = of(woken_.next_to_poll());
            if (next == nullptr) {
                // A future that woke itself wants to yield, so it must not be polled again in this loop.
                if (is_to_yield) return yield_now(cx);
                if (!woken_.fetch(cx.waker())) return not_ready;
                continue;
            }
            const polled outcome = poll_with_its_waker(*next, cx, poll_one);
            if (outcome == polled::last) return poll_result<void>::ready();
            if (outcome == polled::waits && next->is_woken()) is_to_yield = true;
            if (++polls == polls_per_turn || cx.budget() == 0) return yield_now(cx);
        }
    }

    /// Makes the next poll include all futures, woken or not.
    void queue_all() noexcept { woken_.queue_all(); }

    /// Cancels all futures gracefully. Returns ready when all are destroyed. An exception of a future passes through;
    /// that future stays in the set and is polled again later.
    poll_result<void> poll_cancel(context& cx) {
        return poll_cancel(cx, [](F& future, context& its) { return poll_cancel_child(&future, its); });
    }
    /// Same as above. `cancel_one(future, context&)` returns whether the future may be destroyed.
    template <class Fn>
    poll_result<void> poll_cancel(context& cx, Fn cancel_one) {
        if (!std::exchange(is_ending_, true)) woken_.queue_all();
        const auto end_one = [&](node& one, context& its) {
            const bool is_over = requeue_on_exception(its, [&] { return cancel_one(one.future, its); });
            return is_over ? release_ended(one) : polled::waits;
        };
        if (!is_empty() && !poll_woken(cx, end_one).is_ready()) return not_ready;
        is_ending_ = false;
        return poll_result<void>::ready();
    }

    /// Destroys a future that has ended. Returns `last` if the set is empty then.
    polled release_ended(node& one) noexcept {
        release(one);
        return is_empty() ? polled::last : polled::ended;
    }

    /// The futures of the set in a member. `child` is relative to the future.
    template <class Class>
    static constexpr child_record children_in(future_set Class::* member,
                                              child_record child = child_at<F>(0)) noexcept {
        const child_record of_set =
            woken_set::children_in(&future_set::woken_, within(offset_of(&node::future), child));
        return within(offset_of(member), of_set);
    }

private:
    /// The number of operations that a task may complete in one poll.
    static constexpr std::size_t polls_per_turn = context::default_budget;

    // SAFETY: push() has made all nodes of this set.
    static node* of(woken_node* one) noexcept { return static_cast<node*>(one); }

    /// Yields: wakes the task, so that it is polled again after other tasks.
    static poll_result<void> yield_now(context& cx) noexcept {
        cx.waker().wake_by_ref();
        return not_ready;
    }

    template <class Fn>
    static polled poll_with_its_waker(node& one, context& cx, Fn& poll_one) {
        // Lifetime: poll_one() may free the node. The borrowed waker refers to the node, and is not used after that.
        const borrowed_waker waker = one.make_waker();
        context its(waker.get(), cx.budget());
        context_access::set_call_site(its, call_site_of(cx.where()));
        const struct give_back {
            context& to;
            context& from;
            ~give_back() { to.restore_budget(from.budget()); }
        } budget{cx, its};
        return poll_one(one, its);
    }

    woken_set woken_;
    bool is_ending_ = false;
};

}  // namespace eddy::detail
