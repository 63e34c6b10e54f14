// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/future/detail/closure_coroutine.hpp>
#include <eddy/future/detail/compiler_bugs.hpp>

// With EDDY_CLOSURES_DIE_TWICE, co_await refuses a future that was made of a temporary lambda in the same expression.
// It finds the lambda in the type of the future: the future and its combinators have the function that they call as a
// template argument, a temporary_closure (kept_fn_t). A future that does not have it there, such as the join handle of
// spawn(), is an of_closure (of_closure.hpp).

namespace eddy {
template <class T>
class task;
template <class T>
class boxed_future;
}  // namespace eddy

namespace eddy::detail {

template <class X>
class try_expression;

/// A lambda that was given as an rvalue.
template <class Fn>
struct temporary_closure : Fn {
    temporary_closure(Fn&& given) : Fn(std::move(given)) {}
};

/// Whether the compiler destroys the captures of a function twice, if it is passed as the deduced type `Fn` in a
/// co_await expression: a temporary lambda whose captures have destructors.
template <class Fn>
inline constexpr bool dies_twice =
#ifdef EDDY_CLOSURES_DIE_TWICE
    closure_type<Fn> && !std::is_trivially_destructible_v<Fn>;
#else
    false;
#endif

template <class Fn>
struct kept_fn {
    using type = std::decay_t<Fn>;
};
template <class Fn>
    requires dies_twice<Fn>
struct kept_fn<Fn> {
    using type = temporary_closure<Fn>;
};

/// The type in which a future keeps a function that was passed as the deduced type `Fn`.
template <class Fn>
using kept_fn_t = typename kept_fn<Fn>::type;

template <class T>
struct holds_closure;

/// Whether `T` is a temporary_closure, or has a template argument that holds_closure.
template <class T>
struct names_closure : std::false_type {};
template <class Fn>
struct names_closure<temporary_closure<Fn>> : std::true_type {};
template <template <class...> class C, class... A>
struct names_closure<C<A...>> : std::disjunction<holds_closure<A>...> {};
template <template <class, class, bool, auto...> class C, class A, class B, bool First, auto... More>
struct names_closure<C<A, B, First, More...>> : std::disjunction<holds_closure<A>, holds_closure<B>> {};
// The argument is the type of the output.
template <class T>
struct names_closure<task<T>> : std::false_type {};
template <class T>
struct names_closure<boxed_future<T>> : std::false_type {};

/// Whether an object of type `T` has a temporary_closure. An object with a trivial destructor has none, for example the
/// future of a stream's next(), which refers to the stream. False if `T` is a reference.
template <class T>
struct holds_closure : std::conjunction<names_closure<T>, std::negation<std::is_trivially_destructible<T>>> {};
/// A try_expression refers to a temporary of the same expression, unless `X` is an lvalue reference.
template <class X>
struct holds_closure<try_expression<X>> : holds_closure<X> {};

/// Whether an await as the deduced type `A` is refused.
template <class A>
inline constexpr bool awaits_closure =
#ifdef EDDY_CLOSURES_DIE_TWICE
    holds_closure<A>::value;
#else
    false;
#endif

}  // namespace eddy::detail
