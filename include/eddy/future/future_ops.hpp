// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

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

/// Reports that a combinator was called on an lvalue. Continues as if the future was moved, so that no further error
/// follows.
template <class Self>
Self&& must_be_moved(Self& self) {
    constexpr bool moved = sizeof(Self) == 0;
    static_assert(moved, "eddy: a combinator takes ownership of its future: write std::move(f).and_then(...)");
    return std::move(self);
}

}  // namespace detail

/// A mixin with the combinators as member functions, for a class that derives from `future_ops<itself>`. A future does
/// not need it: the functions of the same names in combinators.hpp take any future.
/// Thread safety: that of the derived class.
template <class Self>
class future_ops {
public:
    // SAFETY of the casts below and in self(): Self derives from future_ops<Self>, so *this is the base of a Self.

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

    // For a short compile error that names the remedy.
    template <class Fn>
    auto and_then(Fn&& f) & {
        return eddy::and_then(detail::must_be_moved(self()), std::forward<Fn>(f));
    }
    template <class Fn>
    auto map(Fn&& f) & {
        return eddy::map(detail::must_be_moved(self()), std::forward<Fn>(f));
    }
    template <class Fn>
    auto map_err(Fn&& f) & {
        return eddy::map_err(detail::must_be_moved(self()), std::forward<Fn>(f));
    }
    template <class Fn>
    auto or_else(Fn&& f) & {
        return eddy::or_else(detail::must_be_moved(self()), std::forward<Fn>(f));
    }
    template <class Fn>
    auto then(Fn&& f) & {
        return eddy::then(detail::must_be_moved(self()), std::forward<Fn>(f));
    }

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace eddy

#include <eddy/future/combinators.hpp>
