// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/combinators.hpp>
#include <eddy/future/detail/adapted.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/by_parts.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/group.hpp>
#include <eddy/future/detail/of_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/when.hpp>
#include <eddy/result.hpp>

// Selects with handlers: see eddy/future/on.hpp.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {
template <class Source, class Fn>
struct handled_branch;
}  // namespace eddy

namespace eddy::detail {

/// Whether a source is a stream that is not a future, owned or borrowed.
template <class S>
inline constexpr bool is_stream_source = is_only_stream<S>;
template <class S>
inline constexpr bool is_stream_source<std::reference_wrapper<S>> = is_only_stream<S>;

/// Whether a source is a future, owned or borrowed.
template <class S>
inline constexpr bool is_future_source = future<S>;
template <class S>
inline constexpr bool is_future_source<std::reference_wrapper<S>> = future<S>;

/// Whether a source is a function that makes a future.
template <class S>
inline constexpr bool is_future_maker = !is_future_source<S> && !is_stream_source<S> && std::is_invocable_v<S&>;

/// Checks the source of on(). A failure is a static_assert that says what to write.
template <class S>
constexpr bool check_source() {
    using plain = std::remove_cvref_t<S>;
    constexpr bool makes = is_future_maker<plain>;
    constexpr bool fits = makes || is_future_source<plain> || is_stream_source<plain>;
    static_assert(fits, "eddy: the first argument of on() is a future, or a function that returns one");
    constexpr bool given = !fits || makes || !std::is_lvalue_reference_v<S>;
    static_assert(given, "eddy: on() takes ownership of its future: write std::move(f), or std::ref(f) to keep it");
    return fits && given;
}

template <class B>
inline constexpr bool is_handled = false;
template <class Source, class Fn>
inline constexpr bool is_handled<handled_branch<Source, Fn>> = true;

template <class... B>
inline constexpr bool has_handlers = (is_handled<std::remove_cvref_t<B>> || ...);
template <class... B>
inline constexpr bool has_broken = (std::is_same_v<std::remove_cvref_t<B>, broken_future> || ...);

/// The future of a source: the source itself or, if the source is a function, the future that it returns.
template <class S>
struct future_of_source {
    using given = S;
};
template <class S>
    requires is_future_maker<S>
struct future_of_source<S> {
    using given = std::invoke_result_t<S&>;
};

/// Returns the future of a source: moves a future out of it, or calls a function.
template <class S>
owned_t<typename future_of_source<S>::given> future_of(S& source) {
    if constexpr (is_future_maker<S>) {
        return owned_t<typename future_of_source<S>::given>(detail::own(source()));
    } else {
        return owned_t<S>(std::move(source));
    }
}

/// Whether a handler is called without the output.
template <class Fn, class V>
inline constexpr bool ignores_output = !takes<Fn&, V> && std::is_invocable_v<Fn&>;

/// Checks that a handler fits the output `V` of its branch. A failure is a static_assert.
template <class Fn, class V>
constexpr bool check_handler() {
    constexpr bool fits = takes<Fn&, V> || std::is_invocable_v<Fn&>;
    static_assert(fits, "eddy: this handler does not take the output of its branch");
    constexpr bool hides_error = ignores_output<Fn, V> && is_expected<V>;
    static_assert(!hides_error,
                  "eddy: this handler ignores the output of its branch, which may be an error: take it as a parameter");
    return fits && !hides_error;
}

/// The decayed type that a handler returns for the output `V`.
template <class Fn, class V>
using handler_result_t = typename call_result<Fn&, std::conditional_t<ignores_output<Fn, V>, void, V>>::type;

/// The outcome of a handler: what it returned, or the output of the future that it returned.
template <class Fn, class V>
using handler_outcome_t = typename outcome_of<handler_result_t<Fn, V>>::type;

template <class V, class Fn>
stored_t<handler_result_t<Fn, V>> call_handler(Fn& handler, stored_t<V>&& output) {
    if constexpr (ignores_output<Fn, V>) {
        return call_stored<void>(handler, std::monostate());
    } else {
        return call_stored<V>(handler, std::move(output));
    }
}

/// The return value of the handler of one of several branches, as a future. `R...` are the types that the handlers
/// return. `Policy` converts the outcome to its output_type.
template <class Policy, class... R>
class handler_run {
public:
    using output_type = typename Policy::output_type;

    template <std::size_t I, class Returned>
    handler_run(std::in_place_index_t<I> which, Returned&& returned)
        : returned_(which, std::forward<Returned>(returned)) {}

    poll_result<output_type> poll(context& cx) {
        return with_index<sizeof...(R)>(returned_.index(), [&](auto i) -> poll_result<output_type> {
            using returned = std::tuple_element_t<i, std::tuple<R...>>;
            auto& at = *std::get_if<i>(&returned_);
            if constexpr (future<returned>) {
                auto answer = at.poll(cx);
                if (!answer.is_ready()) return not_ready;
                return Policy::template settle<output_t<returned>>(take_output(std::move(answer)));
            } else {
                return Policy::template settle<returned>(std::move(at));
            }
        });
    }

    static constexpr auto wait_shape() {
        return []<std::size_t... I>(std::index_sequence<I...>) {
            return inspect::waits_as(inspect::alternative<stored_t<R>, I>(&handler_run::returned_)...);
        }(std::index_sequence_for<R...>());
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_future<stored_t<R>> || ...)
    {
        const bool has_ended = with_index<sizeof...(R)>(
            returned_.index(), [&](auto i) { return poll_cancel_child(std::get_if<i>(&returned_), cx); });
        if (!has_ended) return not_ready;
        return poll_result<void>::ready();
    }

private:
    std::variant<stored_t<R>...> returned_;
};

// ---- One select ----

/// The policy of a select: the outcomes of all handlers become their common type.
template <class... Outcome>
struct common_outcome {
    using output_type = std::common_type_t<Outcome...>;

    template <class R>
    static poll_result<output_type> settle(stored_t<R>&& out) {
        if constexpr (std::is_void_v<output_type>) {
            return poll_result<void>::ready();
        } else {
            return poll_result<output_type>(std::in_place, std::move(out));
        }
    }
};

template <class... Outcome>
concept have_common_type = requires { typename std::common_type_t<Outcome...>; };

/// Calls the handler of the branch that has won. `V...` are the outputs of the branches.
template <class Handlers, class... V>
class handler_table;
template <class... Fn, class... V>
class handler_table<std::tuple<Fn...>, V...> {
    using run = handler_run<common_outcome<handler_outcome_t<Fn, V>...>, handler_result_t<Fn, V>...>;

public:
    template <class... F>
    explicit handler_table(std::in_place_t, F&&... handlers) : handlers_(std::forward<F>(handlers)...) {}

    run operator()(std::variant<stored_t<V>...>&& output) {
        return with_index<sizeof...(V)>(output.index(), [&](auto i) {
            using value = std::tuple_element_t<i, std::tuple<V...>>;
            return run(std::in_place_index<i>,
                       call_handler<value>(std::get<i>(handlers_), std::move(*std::get_if<i>(&output))));
        });
    }

private:
    std::tuple<Fn...> handlers_;
};

struct handled_select_rule : then_rule {
    static constexpr const char* name = "select";
};

template <class B>
using branch_future_t = owned_t<typename future_of_source<decltype(B::source)>::given>;
template <class B>
using branch_handler_t = decltype(B::handler);

/// Checks the branches of a select with handlers. A failure is a static_assert, unless on() has reported one.
template <class... B>
constexpr bool check_handled() {
    constexpr bool all = (is_handled<B> && ...);
    static_assert(all || has_broken<B...>,
                  "eddy: each branch of this select needs a handler, on(future, handler), or none of them has one");
    if constexpr (all) {
        if constexpr ((check_futures<typename future_of_source<decltype(B::source)>::given>() && ...)) {
            if constexpr ((check_handler<branch_handler_t<B>, output_t<branch_future_t<B>>>() && ...)) {
                constexpr bool agree =
                    have_common_type<handler_outcome_t<branch_handler_t<B>, output_t<branch_future_t<B>>>...>;
                static_assert(
                    agree, "eddy: the handlers of a select must return the same type; to end a loop, see select_loop");
                return agree;
            }
        }
    }
    return false;
}

/// Makes a select with handlers.
template <class Rule, class... B>
auto make_handled_select(B... branches) {
    if constexpr (!check_handled<B...>()) {
        return broken_future();
    } else {
        using select = group<Rule, branch_future_t<B>...>;
        using table = handler_table<std::tuple<branch_handler_t<B>...>, output_t<branch_future_t<B>>...>;
        const auto make = [&](branch_future_t<B>&&... futures) {
            settle_branches(futures...);
            using made = adapted<handled_select_rule, select, table>;
            return std::conditional_t<(awaits_closure<B> || ...), of_closure<made>, made>(
                select(std::in_place, std::move(futures)...), table(std::in_place, std::move(branches.handler)...));
        };
        return make(future_of(branches.source)...);
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
