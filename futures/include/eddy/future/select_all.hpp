// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/detail/await.hpp>
#include <eddy/future/detail/range_group.hpp>
#include <eddy/future/pinned_future.hpp>

namespace eddy {

namespace detail {

/// Whether a future may be moved after its first poll. select_all pins a future that may not be moved.
template <class F>
inline constexpr bool may_move_when_begun = is_entered<F>;
template <class F>
inline constexpr bool may_move_when_begun<pinned_future<F>> = true;
template <class F>
inline constexpr bool may_move_when_begun<borrowed<F>> = true;

template <class F>
using movable_future_t = std::conditional_t<may_move_when_begun<F>, F, pinned_future<F>>;

}  // namespace detail

/// The output of a select_all over futures `F`.
template <class F>
struct select_all_output {
    detail::stored_t<output_t<F>> output;  ///< the output of the future that was ready first; std::monostate for void
    std::size_t index;                     ///< the index of that future in the range
    std::vector<F> remaining;              ///< the other futures in their order, with their progress

    /// Constructs the output from its parts.
    select_all_output(detail::stored_t<output_t<F>>&& of_first, std::size_t which, std::vector<F>&& others)
        : output(std::move(of_first)), index(which), remaining(std::move(others)) {}
};

/// The future that select_all() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] select_all_future
    : public future_ops<select_all_future<F>> {
    using polled = detail::child_polls::polled;

public:
    using output_type = select_all_output<F>;

    /// Takes ownership of `futures`. Throws `misuse` if it is empty.
    explicit select_all_future(std::vector<F>&& futures, std::source_location where)
        : futures_(std::in_place, std::move(futures)), polls_(futures_->size()) {
        if (futures_->empty()) throw misuse("select_all needs at least one future, and the range has none", where);
        remaining_.reserve(futures_->size() - 1);  // here, because an output must not be lost to a failed allocation
    }

    poll_result<output_type> poll(context& cx) {
        if (!futures_) detail::throw_has_ended("select_all", cx.where());
        if (!failure_) {
            const auto poll_one = [this](std::size_t number, context& its) { return this->poll_one(number, its); };
            if (polls_.poll(cx, 0, poll_one) != detail::child_polls::outcome::decided) return not_ready;
            if (!failure_) return deliver();
        }
        if (!cancel_all(cx)) return not_ready;
        futures_.reset();
        std::rethrow_exception(failure_);
    }

    static constexpr auto wait_shape() { return inspect::first_of(inspect::children(&select_all_future::futures_)); }

    /// Cancels all futures gracefully.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (futures_ && !cancel_all(cx)) return not_ready;
        futures_.reset();
        return poll_result<void>::ready();
    }

private:
    polled poll_one(std::size_t number, context& its) {
        which_ = number;
        try {
            auto answer = (*futures_)[number].poll(its);
            if (!answer.is_ready()) return polled::waits;
            output_.emplace(detail::take_output(std::move(answer)));
        } catch (...) {
            failure_ = std::current_exception();
        }
        return polled::last;
    }

    output_type deliver() {
        for (std::size_t i = 0; i < futures_->size(); ++i) {
            if (i != which_) remaining_.push_back(std::move((*futures_)[i]));
        }
        futures_.reset();
        return output_type(*std::move(output_), which_, std::move(remaining_));
    }

    bool cancel_all(context& cx) {
        if constexpr (cancellable_future<F>) {
            if (!std::exchange(is_ending_, true)) polls_.queue_all();
            const auto cancel_one = [this](std::size_t number, context& its) {
                const bool has_thrown = failure_ && number == which_;
                return has_thrown || (*futures_)[number].poll_cancel(its).is_ready() ? polled::ended : polled::waits;
            };
            return polls_.poll(cx, 0, cancel_one) == detail::child_polls::outcome::all_ended;
        } else {
            return true;
        }
    }

    std::optional<std::vector<F>> futures_;  // nullopt after the end
    std::vector<F> remaining_;               // empty until the end, with reserved capacity
    detail::child_polls polls_;
    std::size_t which_ = 0;
    std::optional<detail::stored_t<output_t<F>>> output_;
    std::exception_ptr failure_;
    bool is_ending_ = false;
};

/// Runs a range of futures of one type until the first is ready. The output is a select_all_output: the output of that
/// future, its index, and the remaining futures, which keep their progress. Continue with another select_all, or drop
/// them.
///
///     auto first = co_await eddy::select_all(std::move(tasks));
///     use(first.output);
///     auto second = co_await eddy::select_all(std::move(first.remaining));
///
/// The remaining futures have the given type if that can be moved after its first poll (task, boxed_future,
/// pinned_future), otherwise `pinned_future` of it. With up to 30 futures, each poll polls all of them in order, so the
/// first one that is ready wins. With more, a poll polls only the woken ones, in the order of their wake-ups. To
/// process the outputs of many futures, futures_unordered is cheaper: select_all moves all futures, and polls each at
/// least once, in each call.
/// Errors: throws `misuse` if the range is empty. If a future throws, the others are cancelled (with `poll_cancel`, if
/// they have it); then the exception is thrown again.
/// Cancel safety: same as the futures, which are destroyed with it. To keep them, pass a range of
/// std::reference_wrapper.
/// Lifetime: the futures are moved in.
/// Cost: the vectors; one block from the frame pool for each future that must be pinned; with more than 30 futures, one
/// more block for each.
template <class R>
[[nodiscard]] auto select_all(R&& futures, std::source_location where = std::source_location::current()) {
    if constexpr (!detail::check_range<R>()) {
        return detail::broken_future();
    } else {
        using F = detail::element_t<R>;
        using kept = detail::movable_future_t<F>;
        std::vector<kept> all;
        if constexpr (std::ranges::sized_range<R>) all.reserve(static_cast<std::size_t>(std::ranges::size(futures)));
        detail::for_each_future_of(std::forward<R>(futures), [&](F&& one) { all.push_back(kept(std::move(one))); });
        return select_all_future<kept>(std::move(all), where);
    }
}

}  // namespace eddy
