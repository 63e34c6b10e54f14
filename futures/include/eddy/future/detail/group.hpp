// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/by_parts.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/maybe_done.hpp>
#include <eddy/future/when.hpp>

// The future class behind join, try_join, select and race: several child futures that one task polls. A `Rule` supplies
// what differs between them:
//
//     name                              the function's name in the text of a misuse error
//     waits_for                         any_of or all_of, for readers of the program's memory
//     first_child(last, count)          the child to poll first, if the previous poll began with child `last`
//     output<F...>                      the group's output
//     decides(out)                      whether this output of a child ends the group
//     deliver<Output>(children, which)  the poll_result with the group's output; `which` is the index of the child that
//                                       has decided, or the number of children if none has
//
//     running ── a child decides or throws, or all have ended ──> ending ── all other children are destroyed ──> ended
//
// While the group is ending, it polls poll_cancel() of each child that has one. A child without poll_cancel() is
// destroyed immediately, and so is an output that is not delivered: another child may need a resource that it holds (a
// lock, a permit, a notification) to end. All children are destroyed before the output or the exception is returned.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// The children of a group. Not a std::tuple, because the offsets of its elements are not constants.
template <class... F>
class group_children {};
template <class F, class... Rest>
class group_children<F, Rest...> {
public:
    explicit group_children(F&& first, Rest&&... rest) : rest_(std::move(rest)...), first_(std::move(first)) {}

    template <std::size_t I>
    auto& get() noexcept {
        if constexpr (I == 0) {
            return first_;
        } else {
            return rest_.template get<I - 1>();
        }
    }
    template <std::size_t I>
    const auto& get() const noexcept {
        return const_cast<group_children&>(*this).template get<I>();
    }

    /// Calls `f` with all children.
    template <class Fn, class... Before>
    decltype(auto) apply(Fn&& f, Before&... before) {
        if constexpr (sizeof...(Rest) == 0) {
            return f(before..., first_);
        } else {
            return rest_.apply(f, before..., first_);
        }
    }

    /// Stores the children's shapes, for children at `offset`.
    static constexpr void describe(child_record* into, std::uint32_t offset) noexcept {
        *into = within(offset, child_through(&group_children::first_));
        if constexpr (sizeof...(Rest) != 0)
            group_children<Rest...>::describe(into + 1, offset + offset_of(&group_children::rest_));
    }

private:
    // Constructed from the last to the first child, and destroyed in the opposite order.
    [[no_unique_address]] group_children<Rest...> rest_;
    maybe_done_future<F> first_;
};

/// A future that polls several child futures.
/// Cancel safety: same as the children. Outputs of children that have ended are lost.
/// Lifetime: owns its children.
template <class Rule, class... F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] group
    : public future_ops<group<Rule, F...>> {
    using indexes = std::index_sequence_for<F...>;
    static constexpr std::size_t count = sizeof...(F);

public:
    using output_type = typename Rule::template output<F...>;

    explicit group(std::in_place_t, F&&... f) : children_(std::move(f)...) {}

    poll_result<output_type> poll(context& cx) {
        if (decided_ == ended) throw_has_ended(Rule::name, cx.where());
        if (decided_ == none && !poll_children(cx, indexes())) return not_ready;
        if (!end_all_but(decided_, cx, indexes())) return not_ready;
        const std::size_t which = std::exchange(decided_, ended);
        if (which == failed) std::rethrow_exception(std::exchange(failure_, nullptr));
        try {
            return Rule::template deliver<output_type>(children_, which);
        } catch (...) {  // moving an output has thrown
            drop_all(indexes());
            throw;
        }
    }

    friend auto awaited_objects(const group& me) noexcept { return objects_of(me.children_, indexes()); }

    static constexpr auto wait_shape() {
        detail::wait_shape<count> made{Rule::waits_for};
        group_children<F...>::describe(made.children.data(), offset_of(&group::children_));
        return made;
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_future<F> || ...)
    {
        if (decided_ != ended && !end_all_but(none, cx, indexes())) return not_ready;
        decided_ = ended;
        return poll_result<void>::ready();
    }

    // Comparison with a number, for a short compile error that names the remedy.
    template <std::integral U>
    friend bool operator==(const group&, const U&) {
        constexpr bool is_awaited = sizeof(U) == 0;
        static_assert(is_awaited, "eddy: this is a future: co_await it, and compare the index() of its output");
        return is_awaited;
    }
    template <std::integral U>
    friend std::strong_ordering operator<=>(const group& future, const U& number) {
        static_cast<void>(future == number);
        return std::strong_ordering::equal;
    }

private:
    // Values of `decided_` other than the index of a child.
    static constexpr std::size_t all = count;         // all children have ended
    static constexpr std::size_t failed = count + 1;  // a child has thrown
    static constexpr std::size_t none = count + 2;    // undecided
    static constexpr std::size_t ended = count + 3;

    template <std::size_t... I>
    static auto objects_of(const group_children<F...>& children, std::index_sequence<I...>) noexcept {
        return concatenated(awaited_objects_of(children.template get<I>())...);
    }

    template <std::size_t... I>
    void drop_all(std::index_sequence<I...>) noexcept {
        (children_.template get<I>().drop(), ...);
    }

    /// Polls each child once. Returns whether the group is decided.
    template <std::size_t... I>
    bool poll_children(context& cx, std::index_sequence<I...>) {
        std::size_t next = start_ = Rule::first_child(start_, count);
        for (std::size_t polled = 0; polled < count; ++polled) {
            decided_ = with_index<count>(next, [&](auto i) { return poll_child<i>(cx); });
            if (decided_ != none) return true;
            next = next + 1 == count ? 0 : next + 1;
        }
        if ((children_.template get<I>().is_done() && ...)) decided_ = all;
        return decided_ != none;
    }

    /// Polls one child. Returns the new value of `decided_`.
    template <std::size_t I>
    std::size_t poll_child(context& cx) {
        auto& child = children_.template get<I>();
        if (child.is_done()) return none;
        try {
            return child.poll(cx).is_ready() && Rule::decides(child.output()) ? I : none;
        } catch (...) {
            failure_ = std::current_exception();
            return failed;
        }
    }

    /// Cancels and destroys all children except `winner`, which keeps its output. Returns whether all have ended.
    template <std::size_t... I>
    bool end_all_but(std::size_t winner, context& cx, std::index_sequence<I...> each) {
        if (winner == all) return true;
        (drop_unless_it_ends<I>(winner), ...);
        return !(children_.template get<I>().is_running() || ...) || cancel_in_turn(cx, each);
    }

    /// Polls the remaining children with poll_cancel(). Begins with a different child each time, because a child may
    /// use up the coop budget in each poll until a later child has ended.
    template <std::size_t... I>
    bool cancel_in_turn(context& cx, std::index_sequence<I...>) {
        const std::size_t first = start_ = (start_ + 1) % count;
        bool gone = true;
        const auto cancel = [&](bool is_its_turn, auto& child) {
            if (is_its_turn && !poll_cancel_child(&child, cx)) gone = false;
        };
        (cancel(I >= first, children_.template get<I>()), ...);
        (cancel(I < first, children_.template get<I>()), ...);
        return gone;
    }

    template <std::size_t I>
    void drop_unless_it_ends(std::size_t winner) noexcept {
        auto& child = children_.template get<I>();
        constexpr bool ends_in_order = cancellable_future<std::remove_reference_t<decltype(child)>>;
        if (I != winner && (!ends_in_order || child.is_done())) child.drop();
    }

    group_children<F...> children_;
    std::size_t start_ = count - 1;
    std::size_t decided_ = none;
    std::exception_ptr failure_;
};

/// Creates a group from its children; a placeholder if `Fits` is false.
template <class Rule, bool Fits, class... F>
auto make_group(F&&... f) {
    if constexpr (Fits) {
        settle_branches(f...);
        return group<Rule, owned_t<F>...>(std::in_place, detail::own(std::forward<F>(f))...);
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
