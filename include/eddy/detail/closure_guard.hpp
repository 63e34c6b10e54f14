// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

// GCC before 13 copies a temporary of closure type, written inside a co_await expression, bitwise into the frame and
// destroys it twice. So every future that took a callable by rvalue carries a mark, and awaiting a marked future as an
// rvalue is refused at compile time: give the future a name first, and await that.
// (With a name the closure's temporary belongs to an expression without co_await, which GCC compiles right.)

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define EDDY_CLOSURES_DIE_TWICE 1
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

template <class F, class = void>
struct mark_of : std::false_type {};
template <class F>
struct mark_of<F, std::void_t<decltype(F::took_closure)>> : std::bool_constant<F::took_closure> {};

/// Whether the future carries the mark: its class has `static constexpr bool took_closure = true`.
/// An adaptor's own mark is `is_fragile<Fn> || is_marked<Inner>`, so that it passes through.
template <class F>
inline constexpr bool is_marked = mark_of<std::remove_cvref_t<F>>::value;

}  // namespace eddy::detail
