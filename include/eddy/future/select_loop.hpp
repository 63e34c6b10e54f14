// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/continues_after_end.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/group.hpp>
#include <eddy/detail/outcome.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/on.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/when.hpp>
#include <eddy/stream/next.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

/// What a handler of select_loop() returns to go on, or to end the loop.
enum class flow : std::uint8_t {
    next,  ///< the loop waits for the next event
    stop   ///< the loop ends
};

namespace detail {

/// The handler of until().
struct stop_loop {
    flow operator()() const noexcept { return flow::stop; }
    template <class V>
    auto operator()(V&& output) const {
        if constexpr (is_expected<std::remove_cvref_t<V>>) {
            using error = typename std::remove_cvref_t<V>::error_type;
            if (output) return std::expected<flow, error>(flow::stop);
            return std::expected<flow, error>(std::unexpect, std::forward<V>(output).error());
        } else {
            return flow::stop;
        }
    }
};

}  // namespace detail

/// A branch of select_loop() that ends the loop when `future` is ready: `until(stop.cancelled())`. If its output is an
/// expected with an error, the loop ends with that error.
/// Cancel safety: that of the future.
/// Lifetime: the future is moved in, and kept for the whole loop; use std::ref to borrow it.
template <class F>
[[nodiscard]] auto until(F&& future) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return eddy::on(std::forward<F>(future), detail::stop_loop());
    }
}

// ---- Implementation: the sources of the branches ----

namespace detail {

/// The branch of a future that several rounds poll.
template <class F>
class kept_round {
public:
    using output_type = output_t<F>;
    static constexpr bool is_last_resort = detail::is_last_resort<F>();

    explicit kept_round(F* kept) noexcept : kept_(kept) {}

    poll_result<output_type> poll(context& cx) {
        if (kept_ == nullptr) return not_ready;
        return kept_->poll(cx);
    }
    [[nodiscard]] bool is_enabled() const noexcept { return kept_ != nullptr && is_branch_enabled(*kept_); }
    void settle(bool has_others, bool has_last_resort) noexcept {
        if constexpr (select_branch<F>) {
            if (kept_ != nullptr) kept_->settle(has_others, has_last_resort);
        }
    }

private:
    F* kept_;  // null: it was ready in an earlier round
};

/// The branch of a stream: its next item.
template <class S>
class stream_round {
public:
    using output_type = std::optional<typename S::item_type>;
    static constexpr bool is_last_resort = false;

    stream_round(S* items, bool* rests) noexcept : items_(items), rests_(rests) {}

    poll_result<output_type> poll(context& cx) {
        if (items_ == nullptr) return not_ready;
        if constexpr (continues_after_end<S>) {
            const auto budget = cx.budget();
            *rests_ = false;
            auto next = next_future<S>(*items_).poll(cx);
            if (!next || next->has_value()) return next;
            if (cx.budget() != budget) cx.refund_budget();
            *rests_ = true;
            return not_ready;
        } else {
            return next_future<S>(*items_).poll(cx);
        }
    }
    [[nodiscard]] bool is_enabled() const noexcept { return items_ != nullptr; }
    void settle(bool, bool) noexcept {}

private:
    S* items_;     // null: the stream has ended
    bool* rests_;  // set while the stream is at its end, but may continue
};

template <class T>
inline constexpr bool may_be_empty = false;
template <class T>
inline constexpr bool may_be_empty<std::optional<T>> = true;
template <class T, class E>
inline constexpr bool may_be_empty<std::expected<std::optional<T>, E>> = true;

template <class T>
bool is_empty_output(const std::optional<T>& output) noexcept {
    return !output.has_value();
}
template <class T, class E>
bool is_empty_output(const std::expected<std::optional<T>, E>& output) noexcept {
    return output.has_value() && !output->has_value();
}

/// What the rounds of a function's branch know about its empty outputs.
struct empty_outputs {
    bool was_last = false;  // the handler's last output was empty
    bool rests = false;     // this round's output was empty again, immediately
};

/// The branch of a function whose futures may have an empty output. The handler takes the first empty output. If the
/// next futures have one at once too, the branch rests until the next round, because the loop would spin.
template <class F>
class made_round {
public:
    using output_type = output_t<F>;
    static constexpr bool is_last_resort = detail::is_last_resort<F>();

    made_round(F&& made, empty_outputs& seen) : made_(std::move(made)), seen_(&seen) {}

    poll_result<output_type> poll(context& cx) {
        if (seen_->rests) return not_ready;
        auto answer = made_.poll(cx);
        if (!answer) {
            if (cx.budget() != 0) is_first_poll_ = false;
            return answer;
        }
        const bool is_empty = is_empty_output(*answer);
        if (is_empty && is_first_poll_ && seen_->was_last) {
            seen_->rests = true;
            return not_ready;
        }
        seen_->was_last = is_empty;
        return answer;
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return made_.poll_cancel(cx);
    }
    [[nodiscard]] bool is_enabled() const noexcept { return is_branch_enabled(made_); }
    void settle(bool has_others, bool has_last_resort) noexcept {
        if constexpr (select_branch<F>) made_.settle(has_others, has_last_resort);
    }

private:
    F made_;
    empty_outputs* seen_;
    bool is_first_poll_ = true;
};

/// A source of a branch: makes a future for each round. `round` is its type, and `value` the type that the handler
/// takes. The first version is for functions.
template <class S>
class loop_source {
    using made = owned_t<std::invoke_result_t<S&>>;
    static constexpr bool may_rest = may_be_empty<output_t<made>>;

public:
    using round =
        typename std::conditional_t<may_rest, std::type_identity<made_round<made>>, std::type_identity<made>>::type;
    using value = output_t<made>;
    static constexpr bool is_stream = false;
    static constexpr bool is_cancellable = false;

    explicit loop_source(S&& source) : make_(std::move(source)) {}

    round begin() {
        if constexpr (may_rest) {
            seen_.rests = false;
            return round(made(detail::own(make_())), seen_);
        } else {
            return round(detail::own(make_()));
        }
    }
    [[nodiscard]] bool has_ended() const noexcept { return false; }
    [[nodiscard]] bool rests() const noexcept { return seen_.rests; }
    void end() noexcept {}
    bool cancel(context&) noexcept { return true; }

private:
    S make_;
    empty_outputs seen_;
};

/// A future that is kept until it is ready.
template <class S>
    requires is_future_source<S>
class loop_source<S> {
    using kept = owned_t<S>;

public:
    using round = kept_round<kept>;
    using value = output_t<kept>;
    static constexpr bool is_stream = false;
    static constexpr bool is_cancellable = cancellable_future<kept>;

    explicit loop_source(S&& source) : kept_(std::in_place, std::move(source)) {}

    round begin() noexcept { return round(kept_ ? &*kept_ : nullptr); }
    [[nodiscard]] bool has_ended() const noexcept { return !kept_; }
    [[nodiscard]] bool rests() const noexcept { return false; }
    void end() noexcept { kept_.reset(); }
    bool cancel(context& cx) {
        if (kept_ && !poll_cancel_child(&*kept_, cx)) return false;
        kept_.reset();
        return true;
    }

private:
    std::optional<kept> kept_;
};

/// A stream.
template <class S>
    requires is_stream_source<S>
class loop_source<S> {
    using items = std::remove_reference_t<std::unwrap_reference_t<S>>;

public:
    using round = stream_round<items>;
    using value = typename items::item_type;
    static constexpr bool is_stream = true;
    static constexpr bool is_cancellable = std::is_same_v<items, S> && cancellable_stream<items>;

    explicit loop_source(S&& source) : items_(std::in_place, std::move(source)) {}

    round begin() noexcept {
        if (!items_) return round(nullptr, nullptr);
        items& stream = *items_;
        rests_ = false;
        return round(&stream, &rests_);
    }
    [[nodiscard]] bool has_ended() const noexcept { return !items_; }
    [[nodiscard]] bool rests() const noexcept { return rests_; }
    void end() noexcept { items_.reset(); }
    bool cancel([[maybe_unused]] context& cx) {
        if constexpr (is_cancellable) {
            if (items_ && !items_->poll_cancel(cx)) return false;
        }
        items_.reset();
        return true;
    }

private:
    std::optional<S> items_;
    bool rests_ = false;
};

// ---- Implementation: the output of a loop ----

/// The value or the error of a handler that never ends the loop.
struct goes_on {};
/// The value of a loop whose handlers end it with different types.
struct values_differ {};

/// The value with which an outcome of a handler ends the loop, and its error.
template <class Outcome>
struct loop_end {
    using value = Outcome;
    using error = goes_on;
};
template <class Outcome>
    requires std::is_void_v<Outcome>
struct loop_end<Outcome> {
    using value = goes_on;
    using error = goes_on;
};
template <>
struct loop_end<flow> {
    using value = void;
    using error = goes_on;
};
template <class T>
struct loop_end<std::optional<T>> {
    using value = T;
    using error = goes_on;
};
template <class T, class E>
struct loop_end<std::expected<T, E>> {
    using value = typename loop_end<T>::value;
    using error = E;
};
template <>
struct loop_end<discardable_result> : loop_end<result<void>> {};

/// Returns the value of a loop of which some handlers end it with an `A` and others with a `B`. If some end it with a
/// value and others with flow::stop, the value is optional.
template <class A, class B>
consteval auto joint_value() {
    if constexpr (std::is_same_v<A, B> || std::is_same_v<B, goes_on> || std::is_same_v<A, std::optional<B>>) {
        return std::type_identity<A>();
    } else if constexpr (std::is_same_v<A, goes_on>) {
        return std::type_identity<B>();
    } else if constexpr (std::is_void_v<A>) {
        return std::type_identity<std::optional<B>>();
    } else if constexpr (std::is_void_v<B> && requires(A a) { *a, a.has_value(); }) {
        return std::type_identity<A>();
    } else if constexpr (std::is_void_v<B>) {
        return std::type_identity<std::optional<A>>();
    } else {
        return std::type_identity<values_differ>();
    }
}

/// Returns the common type of two errors.
template <class A, class B>
consteval auto joint_loop_error() {
    if constexpr (std::is_same_v<B, goes_on>) {
        return std::type_identity<A>();
    } else if constexpr (std::is_same_v<A, goes_on>) {
        return std::type_identity<B>();
    } else {
        return std::type_identity<joint_error_t<A, B>>();
    }
}

/// The value and the error of a loop whose handlers have these outcomes.
template <class Value, class Error, class... Outcome>
struct loop_result {
    using value = Value;
    using error = Error;
};
template <class Value, class Error, class First, class... Others>
struct loop_result<Value, Error, First, Others...>
    : loop_result<typename decltype(joint_value<Value, typename loop_end<First>::value>())::type,
                  typename decltype(joint_loop_error<Error, typename loop_end<First>::error>())::type, Others...> {};

template <class Result>
using loop_value_t = std::conditional_t<std::is_same_v<typename Result::value, goes_on>, void, typename Result::value>;

/// The policy of a loop: an outcome becomes the output of the loop, or nullopt if the loop goes on.
template <class... Outcome>
struct loop_verdict {
    using joint = loop_result<goes_on, goes_on, Outcome...>;
    static constexpr bool can_fail = !std::is_same_v<typename joint::error, goes_on>;
    static constexpr bool values_agree = !std::is_same_v<typename joint::value, values_differ>;
    static constexpr bool has_no_bool = (!std::is_same_v<typename loop_end<Outcome>::value, bool> && ...);

    using value = loop_value_t<joint>;
    using output =
        typename std::conditional_t<can_fail, std::type_identity<std::expected<value, typename joint::error>>,
                                    std::type_identity<value>>::type;
    using output_type = std::optional<stored_t<output>>;

    template <class R>
    static poll_result<output_type> settle(stored_t<R>&& out) {
        if constexpr (is_expected<R>) {
            if (!out.has_value()) return ends(std::in_place, with_error<stored_t<output>>(std::move(out).error()));
            if constexpr (std::is_void_v<typename R::value_type>) {
                return goes();
            } else {
                return settle_value(*std::move(out));
            }
        } else if constexpr (std::is_void_v<R>) {
            return goes();
        } else {
            return settle_value(std::move(out));
        }
    }

private:
    static poll_result<output_type> goes() { return poll_result<output_type>(std::in_place); }
    template <class... A>
    static poll_result<output_type> ends(std::in_place_t, A&&... a) {
        return poll_result<output_type>(std::in_place, std::in_place, std::forward<A>(a)...);
    }

    static poll_result<output_type> settle_value(flow what) {
        if (what == flow::next) return goes();
        if constexpr (can_fail) {
            return ends(std::in_place, std::in_place);
        } else {
            return ends(std::in_place);
        }
    }
    template <class T>
    static poll_result<output_type> settle_value(std::optional<T>&& found) {
        if (!found) return goes();
        return settle_value(*std::move(found));
    }
    template <class T>
    static poll_result<output_type> settle_value(T&& found) {
        if constexpr (can_fail) {
            return ends(std::in_place, std::in_place, std::move(found));
        } else {
            return ends(std::in_place, std::move(found));
        }
    }
};

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
/// Thread safety: one thread at a time.
template <class Rule, class... B>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] select_loop_future
    : public future_ops<select_loop_future<Rule, B...>, (B::took_closure || ...)> {
    template <class X>
    using source = detail::branch_source_t<X>;
    template <class X>
    using handler = detail::branch_handler_t<X>;
    using verdict = detail::loop_verdict<detail::handler_outcome_t<handler<B>, typename source<B>::value>...>;
    using round = detail::group<Rule, typename source<B>::round...>;
    using run = detail::handler_run<verdict, detail::handler_result_t<handler<B>, typename source<B>::value>...>;
    using indexes = std::index_sequence_for<B...>;

public:
    /// Future interface; see eddy::future.
    using output_type = typename verdict::output;

    /// For use by select_loop().
    explicit select_loop_future(std::in_place_t, B&&... branches)
        : sources_(std::move(branches.source)...), handlers_(std::move(branches.handler)...) {}

    /// Future interface; see eddy::future.
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

    /// Future interface; see eddy::future.
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

    /// Whether all branches have ended or rest. Then the last poll of the round has polled each of them.
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
/// | a set (`join_set`, `futures_unordered`) | the same, but the branch continues when something is added to the set |
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
/// Cancel safety: that of the handlers' futures. While no handler runs, that of the sources; no item of a stream or of
/// a channel is lost.
/// Lifetime: sources and handlers are moved in; use std::ref to borrow streams and futures.
/// Cost: no allocation; one unit of the coop budget for each round.
template <class... B>
[[nodiscard]] auto select_loop(B&&... branches) {
    return detail::make_select_loop<detail::select_rule, std::remove_cvref_t<B>...>(std::forward<B>(branches)...);
}

/// Same as `select_loop`, but each round polls its branches in the order of the arguments. Put first what must not be
/// starved.
/// Cancel safety, Lifetime, Cost: the same as for select_loop.
template <class... B>
[[nodiscard]] auto select_loop_biased(B&&... branches) {
    return detail::make_select_loop<detail::biased_select_rule, std::remove_cvref_t<B>...>(
        std::forward<B>(branches)...);
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
