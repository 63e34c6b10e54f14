// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

namespace eddy {

/// The outputs of a `join`: a struct with the members `first`, `second`, ... up to `sixteenth`, for structured
/// bindings: `auto [a, b] = co_await join(x, y);`. `get<I>()` is for generic code. It is not a std::tuple and has no
/// tuple interface, because GCC 15 does not destroy such structured bindings in coroutines. So std::get does not take
/// it.
/// Thread safety: a plain value.
template <class... T>
struct joined;

// ---- Implementation ----

// There is one specialization for each size, since a structured binding takes members from one class only, not from its
// bases. The constructors take references: GCC 12 at -O2 warns, in users' builds, that a by-value parameter which is
// moved on may be uninitialized.

namespace detail {

/// Returns the member with number `I`.
template <std::size_t I, class... T>
auto& pick(T&... members) noexcept {
    return std::get<I>(std::tie(members...));
}

}  // namespace detail

// The macros are not part of the reference.
/// @cond
// clang-format off

// Writes EACH(type, name) for each member of a size, with COMMA() in between.
#define EDDY_JOINED_1(EACH, COMMA) EACH(A, first)
#define EDDY_JOINED_2(EACH, COMMA) EDDY_JOINED_1(EACH, COMMA) COMMA() EACH(B, second)
#define EDDY_JOINED_3(EACH, COMMA) EDDY_JOINED_2(EACH, COMMA) COMMA() EACH(C, third)
#define EDDY_JOINED_4(EACH, COMMA) EDDY_JOINED_3(EACH, COMMA) COMMA() EACH(D, fourth)
#define EDDY_JOINED_5(EACH, COMMA) EDDY_JOINED_4(EACH, COMMA) COMMA() EACH(E, fifth)
#define EDDY_JOINED_6(EACH, COMMA) EDDY_JOINED_5(EACH, COMMA) COMMA() EACH(F, sixth)
#define EDDY_JOINED_7(EACH, COMMA) EDDY_JOINED_6(EACH, COMMA) COMMA() EACH(G, seventh)
#define EDDY_JOINED_8(EACH, COMMA) EDDY_JOINED_7(EACH, COMMA) COMMA() EACH(H, eighth)
#define EDDY_JOINED_9(EACH, COMMA) EDDY_JOINED_8(EACH, COMMA) COMMA() EACH(I, ninth)
#define EDDY_JOINED_10(EACH, COMMA) EDDY_JOINED_9(EACH, COMMA) COMMA() EACH(J, tenth)
#define EDDY_JOINED_11(EACH, COMMA) EDDY_JOINED_10(EACH, COMMA) COMMA() EACH(K, eleventh)
#define EDDY_JOINED_12(EACH, COMMA) EDDY_JOINED_11(EACH, COMMA) COMMA() EACH(L, twelfth)
#define EDDY_JOINED_13(EACH, COMMA) EDDY_JOINED_12(EACH, COMMA) COMMA() EACH(M, thirteenth)
#define EDDY_JOINED_14(EACH, COMMA) EDDY_JOINED_13(EACH, COMMA) COMMA() EACH(N, fourteenth)
#define EDDY_JOINED_15(EACH, COMMA) EDDY_JOINED_14(EACH, COMMA) COMMA() EACH(O, fifteenth)
#define EDDY_JOINED_16(EACH, COMMA) EDDY_JOINED_15(EACH, COMMA) COMMA() EACH(P, sixteenth)

#define EDDY_JOINED_COMMA() ,
#define EDDY_JOINED_SPACE()
#define EDDY_JOINED_CLASS(type, name) class type
#define EDDY_JOINED_TYPE(type, name) type
#define EDDY_JOINED_NAME(type, name) name
#define EDDY_JOINED_MEMBER(type, name) type name;
#define EDDY_JOINED_PARAMETER(type, name) type&& its_##name
#define EDDY_JOINED_MOVE(type, name) name(std::move(its_##name))

#define EDDY_JOINED(size)                                                                                             \
    template <EDDY_JOINED_##size(EDDY_JOINED_CLASS, EDDY_JOINED_COMMA)>                                               \
    struct joined<EDDY_JOINED_##size(EDDY_JOINED_TYPE, EDDY_JOINED_COMMA)> {                                          \
        EDDY_JOINED_##size(EDDY_JOINED_MEMBER, EDDY_JOINED_SPACE)                                                     \
                                                                                                                      \
        explicit((size) == 1) joined(EDDY_JOINED_##size(EDDY_JOINED_PARAMETER, EDDY_JOINED_COMMA))                      \
            : EDDY_JOINED_##size(EDDY_JOINED_MOVE, EDDY_JOINED_COMMA) {}                                              \
        template <std::size_t Index>                                                                                  \
        auto& get() noexcept {                                                                                        \
            return detail::pick<Index>(EDDY_JOINED_##size(EDDY_JOINED_NAME, EDDY_JOINED_COMMA));                      \
        }                                                                                                             \
    }

EDDY_JOINED(1);
EDDY_JOINED(2);
EDDY_JOINED(3);
EDDY_JOINED(4);
EDDY_JOINED(5);
EDDY_JOINED(6);
EDDY_JOINED(7);
EDDY_JOINED(8);
EDDY_JOINED(9);
EDDY_JOINED(10);
EDDY_JOINED(11);
EDDY_JOINED(12);
EDDY_JOINED(13);
EDDY_JOINED(14);
EDDY_JOINED(15);
EDDY_JOINED(16);

#undef EDDY_JOINED_1
#undef EDDY_JOINED_2
#undef EDDY_JOINED_3
#undef EDDY_JOINED_4
#undef EDDY_JOINED_5
#undef EDDY_JOINED_6
#undef EDDY_JOINED_7
#undef EDDY_JOINED_8
#undef EDDY_JOINED_9
#undef EDDY_JOINED_10
#undef EDDY_JOINED_11
#undef EDDY_JOINED_12
#undef EDDY_JOINED_13
#undef EDDY_JOINED_14
#undef EDDY_JOINED_15
#undef EDDY_JOINED_16
#undef EDDY_JOINED_COMMA
#undef EDDY_JOINED_SPACE
#undef EDDY_JOINED_CLASS
#undef EDDY_JOINED_TYPE
#undef EDDY_JOINED_NAME
#undef EDDY_JOINED_MEMBER
#undef EDDY_JOINED_PARAMETER
#undef EDDY_JOINED_MOVE
#undef EDDY_JOINED

// clang-format on
/// @endcond

}  // namespace eddy
