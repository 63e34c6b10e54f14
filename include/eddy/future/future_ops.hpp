// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/broken_future.hpp>

namespace eddy {

// Defined in combinators.hpp, which is included below. Its adaptors derive from this mixin.
template <class F, class Fn>
auto and_then(F&& future, Fn&& f);
template <class F, class Fn>
auto map(F&& future, Fn&& f);
template <class F, class Fn>
auto map_err(F&& future, Fn&& f);
template <class F, class Fn>
auto or_else(F&& future, Fn&& f);
template <class F, class Fn>
auto then(F&& future, Fn&& f);

namespace detail {

/// Reports that a combinator was called on an lvalue.
template <class Fn>
auto refuse_lvalue_future(const Fn&) {
    constexpr bool moved = sizeof(Fn) == 0;
    static_assert(moved, "eddy: a combinator takes ownership of its future: write std::move(f).and_then(...)");
    return broken_future();
}

}  // namespace detail

/// A mixin with the combinators as member functions, for a class that derives from `future_ops<itself>`. A future does
/// not need it: the functions of the same names in combinators.hpp take any future.
/// Thread safety: that of the derived class.
template <class Self>
class future_ops {
public:
    // SAFETY of the casts below: Self derives from future_ops<Self>, so *this is the base of a Self.

    /// The combinators; see the functions of the same names in combinators.hpp. Each takes ownership of this future.
    template <class Fn>
    [[nodiscard]] auto and_then(Fn&& f) && {
        return eddy::and_then(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }
    template <class Fn>
    [[nodiscard]] auto map(Fn&& f) && {
        return eddy::map(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }
    template <class Fn>
    [[nodiscard]] auto map_err(Fn&& f) && {
        return eddy::map_err(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }
    template <class Fn>
    [[nodiscard]] auto or_else(Fn&& f) && {
        return eddy::or_else(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }
    template <class Fn>
    [[nodiscard]] auto then(Fn&& f) && {
        return eddy::then(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }

    // Lvalue overload: reports the misuse with one static_assert.
    auto and_then(auto&& f) & { return detail::refuse_lvalue_future(f); }
    auto map(auto&& f) & { return detail::refuse_lvalue_future(f); }
    auto map_err(auto&& f) & { return detail::refuse_lvalue_future(f); }
    auto or_else(auto&& f) & { return detail::refuse_lvalue_future(f); }
    auto then(auto&& f) & { return detail::refuse_lvalue_future(f); }
};

}  // namespace eddy

#include <eddy/future/combinators.hpp>
