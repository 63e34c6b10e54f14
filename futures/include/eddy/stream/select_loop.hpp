// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/group.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/until.hpp>
#include <eddy/stream/detail/loop_source.hpp>
#include <eddy/stream/detail/loop_verdict.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {

template <class B>
using branch_source_t = loop_source<decltype(B::source)>;

/// Checks the future that the function of a branch makes. A failure is a static_assert.
template <class S>
constexpr bool check_loop_source() {
    if constexpr (is_future_maker<S>) {
        return check_futures<std::invoke_result_t<S&>>();
    } else {
        return true;
    }
}

/// Whether a branch of a loop has a source that works in several rounds.
template <class B>
inline constexpr bool is_repeatable =
    is_future_maker<decltype(B::source)> || is_stream_source<decltype(B::source)> ||
    !std::is_same_v<std::unwrap_reference_t<decltype(B::source)>, decltype(B::source)> ||
    std::is_same_v<decltype(B::handler), stop_loop>;

/// Checks the branches of a loop. A failure is a static_assert, unless on() or until() has reported one.
template <class... B>
constexpr bool check_loop() {
    constexpr bool all = sizeof...(B) > 0 && (is_handled<B> && ...);
    static_assert(all || has_broken<B...>, "eddy: a branch of select_loop is on(source, handler), or until(future)");
    if constexpr (all) {
        constexpr bool repeats = (is_repeatable<B> && ...);
        static_assert(
            repeats,
            "eddy: select_loop needs a new future for each round: write on([&] { return rx.recv(); }, handler), "
            "or on(std::ref(stream), handler); for one future, on(std::ref(future), handler) or until(future)");
        if constexpr (repeats) {
            if constexpr ((check_loop_source<decltype(B::source)>() && ...)) {
                if constexpr ((check_handler<branch_handler_t<B>, typename branch_source_t<B>::value>() && ...)) {
                    using verdict =
                        loop_verdict<handler_outcome_t<branch_handler_t<B>, typename branch_source_t<B>::value>...>;
                    constexpr bool clear = verdict::has_no_bool;
                    static_assert(clear, "eddy: a handler of select_loop returns flow::next or flow::stop, not a bool");
                    constexpr bool agree = verdict::values_agree;
                    static_assert(agree, "eddy: the handlers of a select_loop must end it with values of one type");
                    return clear && agree;
                }
            }
        }
    }
    return false;
}

}  // namespace detail

/// The future that select_loop() and select_loop_biased() return.
/// Cancel safety: see select_loop().
template <class Rule, class... B>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] select_loop_future
    : public future_ops<select_loop_future<Rule, B...>> {
    template <class X>
    using source = detail::branch_source_t<X>;
    template <class X>
    using handler = detail::branch_handler_t<X>;
    using verdict = detail::loop_verdict<detail::handler_outcome_t<handler<B>, typename source<B>::value>...>;
    using round = detail::group<Rule, typename source<B>::round...>;
    using run = detail::handler_run<verdict, detail::handler_result_t<handler<B>, typename source<B>::value>...>;
    using indexes = std::index_sequence_for<B...>;

public:
    using output_type = typename verdict::output;

    explicit select_loop_future(std::in_place_t, B&&... branches)
        : sources_(std::move(branches.source)...), handlers_(std::move(branches.handler)...) {}

    poll_result<output_type> poll(context& cx) {
        if (stage_ == stage::ended) detail::throw_has_ended("select_loop", cx.where());
        if (stage_ == stage::runs) {
            try {
                if (!advance(cx)) return not_ready;
            } catch (...) {
                failure_ = std::current_exception();
                round_.reset();
                run_.reset();
            }
            stage_ = stage::ends;
        }
        if (!cancel_sources(cx, indexes())) return not_ready;
        stage_ = stage::ended;
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if constexpr (std::is_void_v<output_type>) {
            return poll_result<void>::ready();
        } else {
            return poll_result<output_type>(std::in_place, *std::move(output_));
        }
    }

    /// For use by co_await. Returns the objects of the round; there are none while a handler runs.
    friend auto awaited_objects(const select_loop_future& me) noexcept {
        return detail::awaited_objects_of(me.round_ ? std::addressof(*me.round_) : nullptr);
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(&select_loop_future::run_, &select_loop_future::round_);
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_future<round> || cancellable_future<run> || (source<B>::is_cancellable || ...))
    {
        if (run_ && !detail::poll_cancel_child(&*run_, cx)) return not_ready;
        run_.reset();
        if (round_ && !detail::poll_cancel_child(&*round_, cx)) return not_ready;
        round_.reset();
        if (!cancel_sources(cx, indexes())) return not_ready;
        stage_ = stage::ended;
        return poll_result<void>::ready();
    }

private:
    enum class stage : std::uint8_t { runs, ends, ended };

    /// Runs rounds and handlers. Returns whether the loop has ended.
    bool advance(context& cx) {
        for (;;) {
            if (run_) {
                auto answer = run_->poll(cx);
                if (!answer.is_ready()) return false;
                run_.reset();
                output_ = *std::move(answer);
                if (output_) return true;
            }
            if (!round_) {
                // Costs a unit of the budget, since sources that are always ready may cost none.
                if (!cx.consume_budget()) return false;
                if (has_no_source(indexes())) return end_without_source(cx);
                begin_round(indexes());
            }
            auto won = round_->poll(cx);
            if (!won.is_ready()) {
                if (!all_rest(indexes())) return false;
                round_.reset();  // no branch can be ready any more
                return end_without_source(cx);
            }
            auto output = *std::move(won);
            round_.reset();
            detail::with_index<sizeof...(B)>(output.index(),
                                             [&](auto i) { handle<i>(std::move(*std::get_if<i>(&output))); });
        }
    }

    template <std::size_t... I>
    void begin_round(std::index_sequence<I...>) {
        const auto make = [this](typename source<B>::round&&... futures) {
            detail::settle_branches(futures...);
            round_.emplace(std::in_place, std::move(futures)...);
        };
        make(std::get<I>(sources_).begin()...);
    }

    template <std::size_t I, class Output>
    void handle(Output&& output) {
        using value = typename std::tuple_element_t<I, std::tuple<source<B>...>>::value;
        auto& from = std::get<I>(sources_);
        if constexpr (std::tuple_element_t<I, std::tuple<source<B>...>>::is_stream) {
            if (!output) return from.end();
            start<I, value>(*std::forward<Output>(output));
        } else {
            from.end();  // a kept future is not polled again
            start<I, value>(std::forward<Output>(output));
        }
    }

    template <std::size_t I, class V, class Output>
    void start(Output&& output) {
        run_.emplace(std::in_place_index<I>,
                     detail::call_handler<V>(std::get<I>(handlers_), std::forward<Output>(output)));
    }

    template <std::size_t... I>
    bool has_no_source(std::index_sequence<I...>) const noexcept {
        return (std::get<I>(sources_).has_ended() && ...);
    }

    /// Returns whether all branches have ended or rest. Then the last poll of the round has polled each of them.
    template <std::size_t... I>
    bool all_rest(std::index_sequence<I...>) const noexcept {
        return ((std::get<I>(sources_).has_ended() || std::get<I>(sources_).rests()) && ...);
    }

    bool end_without_source(context& cx) {
        using value = typename verdict::value;
        constexpr bool needs_value = !std::is_void_v<value> && !requires(value v) { v = std::nullopt; };
        if constexpr (needs_value) {
            detail::throw_no_branch(cx.where());
        } else {
            output_.emplace();
            return true;
        }
    }

    template <std::size_t... I>
    bool cancel_sources(context& cx, std::index_sequence<I...>) {
        // All of them, without short-circuit evaluation: they end concurrently.
        return (static_cast<unsigned>(std::get<I>(sources_).cancel(cx)) & ...) != 0;
    }

    std::tuple<source<B>...> sources_;
    std::tuple<handler<B>...> handlers_;
    std::optional<round> round_;
    std::optional<run> run_;
    typename verdict::output_type output_;
    std::exception_ptr failure_;
    stage stage_ = stage::runs;
};

namespace detail {

template <class Rule, class... B>
auto make_select_loop(B... branches) {
    return make_if<check_loop<B...>(), select_loop_future<Rule, B...>>(std::in_place, std::move(branches)...);
}

}  // namespace detail

/// Repeats a select with handlers until a handler ends it, as `loop { select! { ... } }` does in Tokio.
///
///     co_await select_loop(on([&] { return rx.recv(); },                     // a new future in each round
///                             [&](std::optional<job> next) -> task<flow> {
///                                 if (!next) co_return flow::stop;
///                                 co_await run(*next);
///                                 co_return flow::next;
///                             }),
///                          on(std::ref(ticks), [&](time::time_point) { report(); }),  // each item of a stream
///                          until(stop.cancelled()));                                  // ends the loop
///
/// | source of a branch | meaning |
/// |---|---|
/// | a function | is called in each round, and returns the future of that round; also `when(condition, future)` |
/// | a stream (moved, or by std::ref) | the handler takes each item; when the stream ends, the branch is removed |
/// | a set (`join_set`, `delay_queue`, ...) | the same, but the branch continues when something is added to the set |
/// | std::ref of a future | continues over all rounds; when it is ready, the branch is removed |
/// | `until(future)` | continues over all rounds, and ends the loop |
///
/// | outcome of a handler (what it returns, or the output of its future) | the loop |
/// |---|---|
/// | nothing, flow::next, an empty optional | goes on |
/// | flow::stop | ends |
/// | a value, an optional with a value | ends with the value |
/// | an expected | ends with the error; without an error, its value counts as above |
///
/// The output of the loop is that value (void, if no handler returns one), in an expected if a handler can fail. It is
/// optional if the loop may also end without a value. The loop also ends when no branch is left, or only empty sets.
///
/// If the end of one stream must end the loop, as the end of a connection does, use a function. Its handler also takes
/// the end:
///     on([&] { return lines.next(); },
///        [&](std::optional<result<std::string>> line) { return line ? flow::next : flow::stop; })
///
/// If futures of a function have an empty optional immediately, several times in a row, the handler takes only the
/// first. Then the branch rests until another branch is ready. So `on([&] { return set.join_next(); }, f)` does not
/// spin while the set is empty.
///
/// Each round polls its branches as `select` does, beginning with a random one. The losers are destroyed before the
/// handler runs, and no branch is polled meanwhile.
/// Errors: those that the handlers return. An exception of a future or a handler ends the loop and is thrown again.
/// Throws `misuse` if all branches of a round are disabled, or if no branch is left and the output needs a value.
/// Cancel safety: same as the handlers' futures. While no handler runs, same as the sources; no item of a stream or of
/// a channel is lost.
/// Lifetime: sources and handlers are moved in; use std::ref to borrow streams and futures.
/// Cost: no allocation; one unit of the coop budget for each round.
template <class... B>
[[nodiscard]] auto select_loop(B&&... branches) {
    return detail::make_select_loop<detail::select_rule, std::remove_cvref_t<B>...>(std::forward<B>(branches)...);
}

/// Same as `select_loop`, but each round polls its branches in the order of the arguments. Put branches that must not
/// be starved first.
/// Cancel safety, Lifetime, Cost: the same as for select_loop.
template <class... B>
[[nodiscard]] auto select_loop_biased(B&&... branches) {
    return detail::make_select_loop<detail::biased_select_rule, std::remove_cvref_t<B>...>(
        std::forward<B>(branches)...);
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
