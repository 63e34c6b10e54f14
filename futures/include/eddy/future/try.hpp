// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy {

template <class... T>
struct joined;

namespace detail {

/// Whether `F` is a future of the outputs of join().
template <class F>
inline constexpr bool is_join = false;
template <class T>
inline constexpr bool is_output_of_join = false;
template <class... T>
inline constexpr bool is_output_of_join<joined<T...>> = true;
template <class F>
    requires requires { typename F::output_type; }
inline constexpr bool is_join<F> = is_output_of_join<typename F::output_type>;

template <class T>
inline constexpr bool is_expected_future = false;
template <class T>
    requires requires { typename T::output_type; }
inline constexpr bool is_expected_future<T> = is_expected<typename T::output_type>;

/// Whether `F` is a future of an item that is an expected: of the next() of a stream of them.
template <class F>
inline constexpr bool is_future_of_item = false;
template <class T>
inline constexpr bool is_optional_of_expected = false;
template <class T>
inline constexpr bool is_optional_of_expected<std::optional<T>> = is_expected<T>;
template <class F>
    requires requires { typename F::output_type; }
inline constexpr bool is_future_of_item<F> = is_optional_of_expected<typename F::output_type>;

/// The result of `try_`, which can only be awaited inside a coroutine, in the expression that has made it: it refers to
/// a future that may be a temporary object of that expression. So promises take it by value, and only a call of `try_`
/// can be passed without a copy. `X` is a reference type if `try_` was given an lvalue.
template <class X>
class [[nodiscard("co_await the result of try_")]] try_expression {
public:
    explicit try_expression(X&& inner) noexcept : inner_(std::forward<X>(inner)) {}
    // Not deleted, for a compile error that names the remedy.
    try_expression(const try_expression& named) noexcept : inner_(static_cast<X&&>(named.inner_)) {
        constexpr bool in_place = std::is_void_v<X>;  // false
        static_assert(in_place,
                      "eddy: try_ refers to its argument, so it must be awaited in the same expression: write "
                      "`co_await try_(...)`");
    }
    try_expression& operator=(const try_expression&) = delete;

    std::remove_reference_t<X>& inner() noexcept { return inner_; }

private:
    X&& inner_;
};

template <class X>
inline constexpr bool is_try = false;
template <class X>
inline constexpr bool is_try<try_expression<X>> = true;

}  // namespace detail

/// Unwraps an `expected`, like the `?` operator of Rust. `co_await try_(x)` takes an `expected`, or a future of one,
/// and returns its value. On an error it ends the enclosing coroutine, whose output must be an `expected`, with that
/// error. It throws no exception and does not resume the coroutine. Local variables are destroyed as by `co_return`.
///
/// Errors: the error converts to the coroutine's error type by `convert_error`: implicitly, by `make_error_code`, or by
/// the error's to_error_code(). For example, `time::elapsed` becomes `errc::timed_out`.
/// The exception of a task, from `try_(handle)`, has no error code: it is thrown in the coroutine, which may catch it.
/// If the value is an `expected` itself, for example the `result` of a task that was spawned, it must be used: write
/// `co_await try_(co_await try_(handle))`. Clang and GCC 16 warn if it is discarded.
/// Cancel safety: same as the future.
/// Lifetime: refers to `x`, as `co_await x` does. So `co_await try_(std::move(x))` does to `x` what `co_await
/// std::move(x)` does. The result must be awaited in the same expression: a variable of it cannot be awaited. Do not
/// return it from a function.
/// Cost: same as the await.
template <class X>
[[nodiscard]] auto try_(X&& x) {
    constexpr bool fits =
        detail::is_expected_future<std::remove_cvref_t<X>> || detail::is_expected<std::remove_cvref_t<X>>;
    // A broken_future has reported its error already.
    constexpr bool is_broken = std::is_base_of_v<detail::broken_future, std::remove_cvref_t<X>>;
    constexpr bool is_join = detail::is_join<std::remove_cvref_t<X>>;
    static_assert(!is_join,
                  "eddy: join has several outputs: write try_(try_join(a, b)), which ends at the first error");
    constexpr bool is_item = detail::is_future_of_item<std::remove_cvref_t<X>>;
    static_assert(!is_item,
                  "eddy: an item is a result inside of an optional, which is empty at the end: write "
                  "try_(items.try_next()), not try_(items.next())");
    static_assert(fits || is_broken || is_join || is_item, "eddy: try_ takes a std::expected, or a future of one");
    if constexpr (fits) {
        return detail::try_expression<X>(std::forward<X>(x));
    } else {
        return detail::broken_future();
    }
}

/// Converts an error to another error type, for `try_`, scopes and combinators. It uses, in this order: an implicit
/// conversion; a member `std::error_code to_error_code() const`; `make_error_code` of an error enum; an explicit
/// conversion. A user-defined error class takes part by having to_error_code().
template <class To, class From>
[[nodiscard]] To convert_error(From&& from) {
    using plain = std::remove_cvref_t<From>;
    if constexpr (std::is_convertible_v<From, To>) {
        return std::forward<From>(from);
    } else if constexpr (requires(const plain& e) {
                             { e.to_error_code() } -> std::convertible_to<To>;
                         }) {
        return from.to_error_code();
    } else if constexpr (std::is_same_v<To, std::error_code> && std::is_error_code_enum_v<plain>) {
        return make_error_code(from);
    } else {
        constexpr bool converts = std::is_constructible_v<To, From>;
        static_assert(converts,
                      "eddy: this error does not convert to the coroutine's error type; use map_err first, or let the "
                      "coroutine return an eddy::result");
        if constexpr (converts) {
            return To(std::forward<From>(from));
        } else {
            std::unreachable();
        }
    }
}

}  // namespace eddy
