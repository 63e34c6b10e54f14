// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/future/detail/adapted.hpp>
#include <eddy/future/detail/outcome.hpp>

// The rules of the combinators: see adapted.hpp.

namespace eddy::detail {

template <class Fn, class Argument>
using outcome_of_call = typename outcome_of<call_result_t<Fn, Argument>>::type;

/// The part of the rules that call the function with the value of an expected, if it has one.
struct on_value {
    template <class In>
    using argument = typename In::value_type;

    template <class In>
    static bool applies(const In& in) {
        return in.has_value();
    }
    template <class In>
    static decltype(auto) offer(In& in) {
        return take_value(in);
    }
};

/// The part of the rules that call the function with the error of an expected, if it has one.
struct on_error {
    template <class In>
    using argument = typename In::error_type;

    template <class In>
    static bool applies(const In& in) {
        return !in.has_value();
    }
    template <class In>
    static auto&& offer(In& in) {
        return std::move(in.error());
    }
    template <class Output, class In>
    static Output pass(In& in) {
        return with_value<Output>(take_value(in));
    }
};

/// Refuses a function that returns a task, because that task would never run. Other futures may run already, as a
/// join_handle does.
template <class Fn, class Argument>
constexpr bool check_no_task() {
    constexpr bool is_value = !requires(call_result_t<Fn, Argument>& made) { forget_closure(made, nullptr); };
    static_assert(is_value,
                  "eddy: the function given to map returns a task, which map does not run: use `and_then` if "
                  "the output is an expected, otherwise `then`");
    return is_value;
}

struct and_then_rule : on_value {
    static constexpr const char* name = "and_then";
    static constexpr bool runs_futures = true;

    template <class In, class Out>
    struct output_of {
        using type = std::expected<Out, typename In::error_type>;
    };
    template <class In, class V, class E>
    struct output_of<In, std::expected<V, E>> {
        static constexpr bool agree =
            error_converts<typename In::error_type, E> || error_converts<E, typename In::error_type>;
        using type = std::expected<V, joint_error_t<typename In::error_type, E>>;
    };

    template <class In, class Out>
    using output = typename output_of<In, Out>::type;

    template <class In, class Fn>
    static constexpr bool check() {
        constexpr bool fits = is_expected<In>;
        static_assert(fits, "eddy: and_then needs a future of a std::expected; `map` and `then` take any output");
        if constexpr (fits) {
            constexpr bool callable = takes<Fn, argument<In>>;
            static_assert(callable, "eddy: the function given to and_then does not take the future's value");
            if constexpr (callable) return check_errors<output_of<In, outcome_of_call<Fn, argument<In>>>>();
        }
        return false;
    }

    template <class Output, class In>
    static Output pass(In& in) {
        return with_error<Output>(std::move(in.error()));
    }
    template <class Output, class Out>
    static Output settle(Out&& out) {
        return flatten<Output>(std::forward<Out>(out));
    }

private:
    template <class OutputOf>
    static constexpr bool check_errors() {
        if constexpr (requires { OutputOf::agree; }) {
            constexpr bool agree = OutputOf::agree;
            static_assert(agree,
                          "eddy: the errors before and after and_then do not convert; use map_err on one of them");
            return agree;
        }
        return true;
    }
};

/// `map` of an output that is an expected.
struct map_value_rule : on_value {
    static constexpr const char* name = "map";
    static constexpr bool runs_futures = false;

    template <class In, class Out>
    using output = std::expected<Out, typename In::error_type>;

    template <class In, class Fn>
    static constexpr bool check() {
        constexpr bool callable = takes<Fn, argument<In>>;
        static_assert(callable, "eddy: the function given to map does not take the future's value");
        if constexpr (callable) return check_no_task<Fn, argument<In>>();
        return false;
    }

    template <class Output, class In>
    static Output pass(In& in) {
        return Output(std::unexpect, std::move(in.error()));
    }
    template <class Output, class Out>
    static Output settle(Out&& out) {
        return with_value<Output>(std::forward<Out>(out));
    }
};

struct then_rule {
    static constexpr const char* name = "then";
    static constexpr bool runs_futures = true;

    template <class In>
    using argument = In;
    template <class In, class Out>
    using output = Out;

    template <class In, class Fn>
    static constexpr bool check() {
        constexpr bool callable = takes<Fn, In>;
        static_assert(callable, "eddy: this function does not take the future's output");
        return callable;
    }

    template <class In>
    static In&& offer(In& in) {
        return std::move(in);
    }
    template <class Output, class Out>
    static Out settle(Out&& out) {
        return std::forward<Out>(out);
    }
};

/// `map` of any other output.
struct map_output_rule : then_rule {
    static constexpr const char* name = "map";
    static constexpr bool runs_futures = false;

    template <class In, class Fn>
    static constexpr bool check() {
        if constexpr (then_rule::check<In, Fn>()) return check_no_task<Fn, In>();
        return false;
    }
};

struct map_err_rule : on_error {
    static constexpr const char* name = "map_err";
    static constexpr bool runs_futures = false;

    template <class In, class Out>
    using output = std::expected<typename In::value_type, stored_t<Out>>;

    template <class In, class Fn>
    static constexpr bool check() {
        constexpr bool fits = is_expected<In>;
        static_assert(fits, "eddy: map_err needs a future of a std::expected");
        if constexpr (fits) {
            constexpr bool callable = takes<Fn, argument<In>>;
            static_assert(callable, "eddy: the function given to map_err does not take the future's error");
            return callable;
        }
        return false;
    }

    template <class Output, class Out>
    static Output settle(Out&& out) {
        return Output(std::unexpect, std::forward<Out>(out));
    }
};

struct or_else_rule : on_error {
    static constexpr const char* name = "or_else";
    static constexpr bool runs_futures = true;

    template <class In, class Out>
    struct output_of {
        static constexpr bool replaces = std::is_convertible_v<Out, typename In::value_type>;
        using type = In;
    };
    template <class In, class V, class E>
    struct output_of<In, std::expected<V, E>> {
        static constexpr bool replaces = std::is_convertible_v<V, typename In::value_type>;
        using type = std::expected<typename In::value_type, E>;
    };

    template <class In, class Out>
    using output = typename output_of<In, Out>::type;

    template <class In, class Fn>
    static constexpr bool check() {
        constexpr bool fits = is_expected<In>;
        static_assert(fits, "eddy: or_else needs a future of a std::expected");
        if constexpr (fits) {
            constexpr bool callable = takes<Fn, argument<In>>;
            static_assert(callable, "eddy: the function given to or_else does not take the future's error");
            if constexpr (callable) {
                constexpr bool replaces = output_of<In, outcome_of_call<Fn, argument<In>>>::replaces;
                static_assert(replaces, "eddy: the function given to or_else must return a value of the future's type");
                return replaces;
            }
        }
        return false;
    }

    template <class Output, class Out>
    static Output settle(Out&& out) {
        return flatten<Output>(std::forward<Out>(out));
    }
};

}  // namespace eddy::detail
