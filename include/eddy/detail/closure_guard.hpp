// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

// Workaround for a compiler bug. GCC before 13 copies a closure temporary in a co_await expression bitwise into the
// coroutine frame and destroys it twice. So each future that has taken a callable by rvalue is marked, and awaiting a
// marked rvalue is a compile-time error: store the future in a variable first, and await the variable. Then the closure
// temporary belongs to an expression without co_await, which GCC compiles correctly.

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define EDDY_CLOSURES_DIE_TWICE 1
// Another bug of these versions occurs in a coroutine with a co_await in a condition and without a local variable. The
// compiler puts the condition's value before the promise, where the standard layout of a coroutine frame has no value.
// So the frame's address that is computed from the promise is wrong, by 8 bytes.
#define EDDY_MISPLACES_PROMISES 1
#endif

namespace eddy::detail {

/// Whether a callable deduced as `Fn` (from an `Fn&&` parameter) is a temporary that GCC 12 could destroy twice.
template <class Fn>
inline constexpr bool is_fragile =
#ifdef EDDY_CLOSURES_DIE_TWICE
    !std::is_reference_v<Fn> && !std::is_trivially_destructible_v<std::remove_cvref_t<Fn>>;
#else
    false;
#endif

/// The value of `F::took_closure`; false if `F` has no such member.
template <class F, class = void>
struct mark_of : std::false_type {};
template <class F>
struct mark_of<F, std::void_t<decltype(F::took_closure)>> : std::bool_constant<F::took_closure> {};

/// Whether the future, stream or sink is marked: its class has the member `static constexpr bool took_closure = true`,
/// which comes from future_ops or stream_ops. An adaptor passes `is_fragile<Fn> || is_marked<Inner>` to its base, so
/// that marks propagate outward.
template <class F>
inline constexpr bool is_marked = mark_of<std::remove_cvref_t<F>>::value;

}  // namespace eddy::detail

namespace eddy {

// The mixins of futures and streams. `Marked` is the mark of the derived class.
template <class Self, bool Marked = false>
class future_ops;
template <class Self, bool Marked = false>
class stream_ops;

}  // namespace eddy
