// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

namespace eddy {

/// The outputs of a `join`: a struct with the members `first`, `second`, ... up to `sixteenth`, for structured
/// bindings: `auto [a, b] = co_await join(x, y);`. `get<I>()` is for generic code. It is not a std::tuple and has no
/// tuple interface, because GCC 15 does not destroy such structured bindings in coroutines.
/// Thread safety: a plain value.
template <class... T>
struct joined;

namespace detail {

/// Returns the member with number `I`.
template <std::size_t I, class... T>
auto& pick(T&... members) noexcept {
    return std::get<I>(std::tie(members...));
}

}  // namespace detail

// One specialization for each size, since a structured binding takes members from one class only, not from its bases.
// The constructors take references: GCC 12 at -O2 warns, in users' builds, that a by-value parameter which is moved on
// may be uninitialized.

template <class A>
struct joined<A> {
    A first;

    explicit joined(A&& a) : first(std::move(a)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first);
    }
};

template <class A, class B>
struct joined<A, B> {
    A first;
    B second;

    joined(A&& a, B&& b) : first(std::move(a)), second(std::move(b)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second);
    }
};

template <class A, class B, class C>
struct joined<A, B, C> {
    A first;
    B second;
    C third;

    joined(A&& a, B&& b, C&& c) : first(std::move(a)), second(std::move(b)), third(std::move(c)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third);
    }
};

template <class A, class B, class C, class D>
struct joined<A, B, C, D> {
    A first;
    B second;
    C third;
    D fourth;

    joined(A&& a, B&& b, C&& c, D&& d)
        : first(std::move(a)), second(std::move(b)), third(std::move(c)), fourth(std::move(d)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third, fourth);
    }
};

template <class A, class B, class C, class D, class E>
struct joined<A, B, C, D, E> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e)
        : first(std::move(a)), second(std::move(b)), third(std::move(c)), fourth(std::move(d)), fifth(std::move(e)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third, fourth, fifth);
    }
};

template <class A, class B, class C, class D, class E, class F>
struct joined<A, B, C, D, E, F> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third, fourth, fifth, sixth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G>
struct joined<A, B, C, D, E, F, G> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third, fourth, fifth, sixth, seventh);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H>
struct joined<A, B, C, D, E, F, G, H> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)) {}
    template <std::size_t I>
    auto& get() noexcept {
        return detail::pick<I>(first, second, third, fourth, fifth, sixth, seventh, eighth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I>
struct joined<A, B, C, D, E, F, G, H, I> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J>
struct joined<A, B, C, D, E, F, G, H, I, J> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K>
struct joined<A, B, C, D, E, F, G, H, I, J, K> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L>
struct joined<A, B, C, D, E, F, G, H, I, J, K, L> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;
    L twelfth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k, L&& l)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)),
          twelfth(std::move(l)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh,
                                   twelfth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M>
struct joined<A, B, C, D, E, F, G, H, I, J, K, L, M> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;
    L twelfth;
    M thirteenth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k, L&& l, M&& m)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)),
          twelfth(std::move(l)),
          thirteenth(std::move(m)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh,
                                   twelfth, thirteenth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N>
struct joined<A, B, C, D, E, F, G, H, I, J, K, L, M, N> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;
    L twelfth;
    M thirteenth;
    N fourteenth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k, L&& l, M&& m, N&& n)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)),
          twelfth(std::move(l)),
          thirteenth(std::move(m)),
          fourteenth(std::move(n)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh,
                                   twelfth, thirteenth, fourteenth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N, class O>
struct joined<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;
    L twelfth;
    M thirteenth;
    N fourteenth;
    O fifteenth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k, L&& l, M&& m, N&& n, O&& o)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)),
          twelfth(std::move(l)),
          thirteenth(std::move(m)),
          fourteenth(std::move(n)),
          fifteenth(std::move(o)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh,
                                   twelfth, thirteenth, fourteenth, fifteenth);
    }
};

template <class A, class B, class C, class D, class E, class F, class G, class H, class I, class J, class K, class L,
          class M, class N, class O, class P>
struct joined<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P> {
    A first;
    B second;
    C third;
    D fourth;
    E fifth;
    F sixth;
    G seventh;
    H eighth;
    I ninth;
    J tenth;
    K eleventh;
    L twelfth;
    M thirteenth;
    N fourteenth;
    O fifteenth;
    P sixteenth;

    joined(A&& a, B&& b, C&& c, D&& d, E&& e, F&& f, G&& g, H&& h, I&& i, J&& j, K&& k, L&& l, M&& m, N&& n, O&& o,
           P&& p)
        : first(std::move(a)),
          second(std::move(b)),
          third(std::move(c)),
          fourth(std::move(d)),
          fifth(std::move(e)),
          sixth(std::move(f)),
          seventh(std::move(g)),
          eighth(std::move(h)),
          ninth(std::move(i)),
          tenth(std::move(j)),
          eleventh(std::move(k)),
          twelfth(std::move(l)),
          thirteenth(std::move(m)),
          fourteenth(std::move(n)),
          fifteenth(std::move(o)),
          sixteenth(std::move(p)) {}
    template <std::size_t Index>
    auto& get() noexcept {
        return detail::pick<Index>(first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh,
                                   twelfth, thirteenth, fourteenth, fifteenth, sixteenth);
    }
};

}  // namespace eddy
