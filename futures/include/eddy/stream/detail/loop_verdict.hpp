// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/until.hpp>
#include <eddy/result.hpp>

// The output of select_loop(), which depends on the outcomes of all its handlers.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// Stands for the type of the value or of the error if a handler never ends the loop with a value or an error.
struct goes_on {};
/// Stands for the type of the value if the handlers end the loop with values of different types.
struct values_differ {};

/// The types of the value and of the error with which an outcome of a handler ends the loop.
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

/// Returns the type of the value of a loop that some handlers end with an `A` and others with a `B`. If some handlers
/// end it with a value and others with flow::stop, the type is optional.
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

/// The types of the value and of the error of a loop whose handlers have these outcomes.
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

/// The policy of a loop: converts an outcome of a handler to the loop's output, or to nullopt if the loop continues.
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
            return ends(std::in_place, std::in_place, std::forward<T>(found));
        } else {
            return ends(std::in_place, std::forward<T>(found));
        }
    }
};

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
