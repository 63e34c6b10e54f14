// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <eddy/detail/owned.hpp>
#include <eddy/detail/pool_box.hpp>
#include <eddy/detail/virtual_stack.hpp>
#include <eddy/detail/woken_set.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>

namespace eddy::detail {

/// A future of a set, where it stays from push() to its end: a block of the frame pool, if its alignment allows.
template <class F>
struct future_node : woken_node {
    // The union's member is made and destroyed by the set.
    future_node() noexcept {}  // NOLINT(modernize-use-equals-default)
    ~future_node() {}          // NOLINT(modernize-use-equals-default)

    union {
        F future;
    };

    static void free(woken_node& node) noexcept {
        // SAFETY: each node of the queue that this was given to was made here.
        pool_destroy(&static_cast<future_node&>(node));
    }
};

/// What `poll()` answers. If it throws, that comes out, and the future that it polls with `its` is queued: nobody else
/// wakes it.
template <class Fn>
auto asked_again_if_it_throws(context& its, Fn&& poll) {
    try {
        return poll();
    } catch (...) {
        its.waker().wake_by_ref();
        throw;
    }
}

/// Any number of futures of one type, of which only those are polled that were woken. (Or of numbers: of futures that
/// are kept elsewhere, then.) Movable at any time. Must not be moved, cleared or destroyed by the poll of one of its
/// futures.
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

    node& push(F&& future, bool at_front = false) {
        if (is_empty()) is_ending_ = false;  // of those that were cleared half way
        woken_.open(&node::free);
        auto made = make_pool_box<node>();
        std::construct_at(&made->future, std::move(future));
        woken_.hold(*made, at_front);
        return *made.release();
    }

    /// Destroys a future. Its memory goes with the last of its wakers.
    void release(node& one) noexcept {
        woken_.take_out(one);  // first: the future's destructor may come back, to push others or to clear all
        std::destroy_at(&one.future);
        woken_queue::drop_reference(one);
    }

    /// Destroys all, in the order in which they stand, one after the other.
    void clear() noexcept {
        while (node* const one = first()) release(*one);
    }

    /// What has come of the poll of one future: it waits; it has ended; or it has, and the set's poll ends with it.
    enum class polled : unsigned char { waits, ended, last };

    /// Polls what was woken, as `poll_one(node&, context&)` does, until that answers `last`. `not_ready` if all that
    /// was woken has been polled; or, with a wake of its own, when others should have a turn: after so many polls, when
    /// the budget is used up, or when a future has woken itself. `poll_one` may release its node if it does not answer
    /// `waits`. What it throws comes out.
    template <class Fn>
    poll_result<void> poll_woken(context& cx, Fn&& poll_one) {
        bool is_to_yield = false;
        for (std::size_t polls = 0;;) {
            node* const next = of(woken_.next_to_poll());
            if (next == nullptr) {
                // What has woken itself is there again at once: it wants others to run, and not to be polled in a loop.
                if (is_to_yield) return come_back(cx);
                if (!woken_.fetch(cx.waker())) return not_ready;
                continue;
            }
            const polled outcome = poll_with_its_waker(*next, cx, poll_one);
            if (outcome == polled::last) return poll_result<void>::ready();
            if (outcome == polled::waits && next->is_woken()) is_to_yield = true;
            if (++polls == polls_per_turn || cx.budget() == 0) return come_back(cx);
        }
    }

    /// All are to be polled once, though they were not woken.
    void queue_all() noexcept { woken_.queue_all(); }

    /// Ends all in an orderly way. Ready when they are gone. What a future throws comes out; it stays, and is asked
    /// again.
    poll_result<void> poll_cancel(context& cx) {
        if (!std::exchange(is_ending_, true)) woken_.queue_all();
        const auto end_one = [this](node& one, context& its) {
            const bool is_over = asked_again_if_it_throws(its, [&] { return poll_cancel_child(&one.future, its); });
            if (!is_over) return polled::waits;
            release(one);
            return is_empty() ? polled::last : polled::ended;
        };
        if (!is_empty() && !poll_woken(cx, end_one).is_ready()) return not_ready;
        is_ending_ = false;
        return poll_result<void>::ready();
    }

private:
    /// As many as a task may complete operations.
    static constexpr std::size_t polls_per_turn = context::default_budget;

    // SAFETY: all nodes of this set are made by push().
    static node* of(woken_node* one) noexcept { return static_cast<node*>(one); }

    static poll_result<void> come_back(context& cx) noexcept {
        cx.waker().wake_by_ref();
        return not_ready;
    }

    template <class Fn>
    static polled poll_with_its_waker(node& one, context& cx, Fn& poll_one) {
        // The node may be released by the poll; the waker that is borrowed from it is not used after that.
        const borrowed_waker waker = one.make_waker();
        context its(waker.get(), cx.budget());
        await_place::set(its, place_of(cx.where()));
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
