// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace eddy {
namespace detail {

template <class... T>
struct joined_members;

}  // namespace detail

/// The outputs of a `join`: a struct with the members `first`, `second`, ... up to `sixteenth`, for structured
/// bindings: `auto [a, b] = co_await join(x, y);`. `get<I>()` is for generic code. It is not a std::tuple and has no
/// tuple interface, because GCC 15 does not destroy such structured bindings in coroutines. So std::get of it is a
/// compile error.
/// Thread safety: a plain value.
template <class... T>
struct joined : detail::joined_members<T...> {
    /// Makes it from the outputs. They are passed by reference, because GCC 12 at -O2 warns in users' builds that a
    /// by-value parameter which is moved on may be uninitialized.
    explicit(sizeof...(T) == 1) joined(T&&... outputs) : detail::joined_members<T...>{std::move(outputs)...} {}

    /// Returns the member with number `I`, counted from 0.
    template <std::size_t I>
        requires(I < sizeof...(T))
    auto& get() noexcept {
        // clang-format off
        if constexpr (I == 0) return this->first;
        else if constexpr (I == 1) return this->second;
        else if constexpr (I == 2) return this->third;
        else if constexpr (I == 3) return this->fourth;
        else if constexpr (I == 4) return this->fifth;
        else if constexpr (I == 5) return this->sixth;
        else if constexpr (I == 6) return this->seventh;
        else if constexpr (I == 7) return this->eighth;
        else if constexpr (I == 8) return this->ninth;
        else if constexpr (I == 9) return this->tenth;
        else if constexpr (I == 10) return this->eleventh;
        else if constexpr (I == 11) return this->twelfth;
        else if constexpr (I == 12) return this->thirteenth;
        else if constexpr (I == 13) return this->fourteenth;
        else if constexpr (I == 14) return this->fifteenth;
        else return this->sixteenth;
        // clang-format on
    }
};

namespace detail {

// A structured binding takes its members from one class, so there is one for each size.
// clang-format off
template <class A> struct joined_members<A> { A first; };
template <class A, class B> struct joined_members<A, B> { A first; B second; };
template <class A, class B, class C> struct joined_members<A, B, C> { A first; B second; C third; };
template <class A, class B, class C, class D>
struct joined_members<A, B, C, D> { A first; B second; C third; D fourth; };
template <class A, class B, class C, class D, class E>
struct joined_members<A, B, C, D, E> { A first; B second; C third; D fourth; E fifth; };
template <class A, class B, class C, class D, class E, class F>
struct joined_members<A, B, C, D, E, F> { A first; B second; C third; D fourth; E fifth; F sixth; };
template <class A, class B, class C, class D, class E, class F, class G>
struct joined_members<A, B, C, D, E, F, G> { A first; B second; C third; D fourth; E fifth; F sixth; G seventh; };
template <class A, class B, class C, class D, class E, class F, class G, class H>
struct joined_members<A, B, C, D, E, F, G, H> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I>
struct joined_members<A, B, C, D, E, F, G, H, I> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J>
struct joined_members<A, B, C, D, E, F, G, H, I, J> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K, L> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
    L twelfth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K, L, M> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
    L twelfth; M thirteenth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K, L, M, N> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
    L twelfth; M thirteenth; N fourteenth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N, class O>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
    L twelfth; M thirteenth; N fourteenth; O fifteenth;
};
template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N, class O, class P>
struct joined_members<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P> {
    A first; B second; C third; D fourth; E fifth; F sixth; G seventh; H eighth; I ninth; J tenth; K eleventh;
    L twelfth; M thirteenth; N fourteenth; O fifteenth; P sixteenth;
};
// clang-format on

template <class T>
inline constexpr bool is_joined = false;
template <class... T>
inline constexpr bool is_joined<joined<T...>> = true;

}  // namespace detail
}  // namespace eddy

namespace std {

// Only for a short compile error: the standard library's has more than 500 lines.
template <std::size_t I, class J>
    requires eddy::detail::is_joined<std::remove_cvref_t<J>>
decltype(auto) get(J&& outputs) {  // NOLINT(cert-dcl58-cpp)
    constexpr bool is_tuple = sizeof(J) == 0;
    static_assert(is_tuple, "eddy: the output of join is not a std::tuple: write `both.first`, or `both.get<0>()`");
    return const_cast<std::remove_cvref_t<J>&>(outputs).template get<I>();
}

}  // namespace std
