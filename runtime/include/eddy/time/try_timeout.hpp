// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_item.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// The output of try_timeout() for a future with output `T`; `converts` is whether all errors in it become error codes.
template <class T>
struct flat_output {
    using type = result<T>;
    static constexpr bool converts = true;
};
template <class T, class E>
struct flat_output<std::expected<T, E>> {
    using type = typename flat_output<T>::type;
    static constexpr bool converts = error_converts<E, std::error_code> && flat_output<T>::converts;
};
template <>
struct flat_output<discardable_result> : flat_output<result<void>> {};
template <class T>
struct flat_output<stream_item<T>> : flat_output<std::optional<T>> {};
template <class T>
struct flat_output<std::optional<T>> {
    using type = stream_item<T>;
    static constexpr bool converts = true;
};
template <class T, class E>
struct flat_output<std::optional<std::expected<T, E>>> {
    using type = stream_item<T>;
    static constexpr bool converts = error_converts<E, std::error_code>;
};
template <class E>  // an item without a value: there is nothing to put into a stream_item
struct flat_output<std::optional<std::expected<void, E>>> {
    using type = result<std::optional<std::expected<void, E>>>;
    static constexpr bool converts = true;
};

template <class T>
inline constexpr bool is_optional_output = false;
template <class T>
inline constexpr bool is_optional_output<std::optional<T>> = true;
template <class T>
inline constexpr bool is_stream_item = false;
template <class T>
inline constexpr bool is_stream_item<stream_item<T>> = true;

/// Converts the output of a future to its flat_output.
template <class Out, class X>
Out flatten_all(X& x) {
    if constexpr (is_expected<X>) {
        if (!x.has_value()) return with_error<Out>(std::move(x).error());
        if constexpr (std::is_void_v<typename X::value_type>) {
            return Out();
        } else {
            return flatten_all<Out>(*x);
        }
    } else if constexpr (is_optional_output<X> && is_stream_item<Out>) {
        if (!x) return Out(std::in_place);
        if constexpr (is_expected<typename X::value_type>) {
            if (!x->has_value()) return with_error<Out>(std::move(*x).error());
            return Out(std::in_place, std::in_place, *std::move(*x));
        } else {
            return Out(std::in_place, std::in_place, *std::move(x));
        }
    } else {
        return Out(std::in_place, std::move(x));
    }
}

}  // namespace eddy::detail

namespace eddy::time {

/// The future that try_timeout() and try_timeout_at() return.
/// Cancel safety: same as the inner future.
template <class F>
class [[nodiscard("a timeout does nothing until it is awaited")]] try_timeout_future
    : public future_ops<try_timeout_future<F>> {
public:
    using output_type = typename eddy::detail::flat_output<output_t<F>>::type;

    explicit try_timeout_future(F&& inner, sleep_future&& deadline) : timed_(std::move(inner), std::move(deadline)) {}

    friend auto awaited_objects(const try_timeout_future& me) noexcept {
        return eddy::detail::awaited_objects_of(me.timed_);
    }

    poll_result<output_type> poll(context& cx) {
        auto answer = timed_.poll(cx);
        if (!answer.is_ready()) return not_ready;
        return poll_result<output_type>(eddy::detail::flatten_all<output_type>(*answer));
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&try_timeout_future::timed_); }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return timed_.poll_cancel(cx);
    }

private:
    timeout_future<F> timed_;
};

}  // namespace eddy::time

namespace eddy::detail {

/// Checks the future of try_timeout(). A failure is a static_assert.
template <class F>
constexpr bool check_try_timeout() {
    if constexpr (check_futures<F>()) {
        constexpr bool converts = flat_output<output_t<owned_t<F>>>::converts;
        static_assert(converts,
                      "eddy: try_timeout returns a result, and this error does not convert to std::error_code: use "
                      "timeout(), or map_err() on the future");
        return converts;
    } else {
        return false;
    }
}

/// Makes the future of try_timeout().
template <class F>
auto make_try_timeout(F&& work, time::sleep_future&& deadline) {
    if constexpr (check_try_timeout<F>()) {
        return time::try_timeout_future<owned_t<F>>(own(std::forward<F>(work)), std::move(deadline));
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail

namespace eddy::time {

/// Returns a future that runs `work` until it is ready or `deadline` has passed. Its output is one `result`, and the
/// deadline is the error errc::timed_out in it:
///
///     auto stream = co_await try_(time::try_timeout(1s, connect(address)));
///
/// | output of `work` | output |
/// |---|---|
/// | `T` | `result<T>` |
/// | an expected of `T`, also nested | `result<T>`; errors become error codes as by `try_` |
/// | an optional of `T` or of an expected of `T`: `next()` | `stream_item<T>`: an item, the end, or an error |
/// | an expected of an optional of `T` (`try_next()`) | `stream_item<T>` |
///
/// Use timeout() to distinguish the deadline from an error of `work` with the same code, or to keep errors of other
/// types. Otherwise it does what timeout_at() does.
/// Errors: errc::timed_out; the errors of `work`. Exceptions of `work` pass through.
/// Cancel safety: same as `work`.
/// Lifetime: `work` is moved in; pass std::ref to refer to an existing future.
/// Cost: same as a sleep; no allocation.
template <class F>
[[nodiscard]] auto try_timeout_at(time_point deadline, F&& work,
                                  std::source_location where = std::source_location::current()) {
    return eddy::detail::make_try_timeout(std::forward<F>(work), sleep_until(deadline, where));
}

template <class N, class F>
    requires std::is_arithmetic_v<N>
eddy::detail::broken_future try_timeout(N, F&&) EDDY_DELETED(EDDY_NEEDS_UNIT);

/// Same as try_timeout_at(), with a deadline `d` from this call. A `d` of zero or less gives `work` one poll. A `d`
/// that exceeds the clock's range is no limit.
template <class Rep, class Period, class F>
[[nodiscard]] auto try_timeout(std::chrono::duration<Rep, Period> d, F&& work,
                               std::source_location where = std::source_location::current()) {
    return eddy::detail::make_try_timeout(std::forward<F>(work), sleep(d, where));
}

template <class F, class Rep, class Period>
    requires(future<std::remove_cvref_t<F>> || std::is_invocable_v<F&>)
eddy::detail::broken_future try_timeout(F&&, std::chrono::duration<Rep, Period>) EDDY_DELETED(EDDY_LIMIT_FIRST);

}  // namespace eddy::time
EDDY_END_FALSE_UNINITIALIZED
