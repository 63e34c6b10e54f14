// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/result.hpp>

namespace eddy {

// Defined in combinators.hpp, which is included below. Its adaptors derive from this mixin.
template <class F, class Fn>
auto and_then(F&& future, Fn&& f);
template <class F, class Fn>
auto map(F&& future, Fn&& f);
template <class F, class Fn>
auto map_err(F&& future, Fn&& f);
template <class F, class C>
    requires(!detail::is_expected<std::remove_cvref_t<F>>)
auto with_context(F&& future, C&& context);
template <class F, class Fn>
auto or_else(F&& future, Fn&& f);
template <class F, class Fn>
auto then(F&& future, Fn&& f);

/// A mixin with the combinators as member functions, for a class that derives from `future_ops<itself>`. A future does
/// not need it: the functions of the same names in combinators.hpp take any future.
/// Thread safety: same as the derived class.
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
    template <class C>
    [[nodiscard]] auto with_context(C&& context) && {
        return eddy::with_context(static_cast<Self&&>(*this), std::forward<C>(context));
    }
    template <class Fn>
    [[nodiscard]] auto or_else(Fn&& f) && {
        return eddy::or_else(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }
    template <class Fn>
    [[nodiscard]] auto then(Fn&& f) && {
        return eddy::then(static_cast<Self&&>(*this), std::forward<Fn>(f));
    }

    detail::broken_future and_then(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).and_then(...)");
    detail::broken_future map(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).map(...)");
    detail::broken_future map_err(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).map_err(...)");
    detail::broken_future with_context(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).with_context(...)");
    detail::broken_future or_else(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).or_else(...)");
    detail::broken_future then(auto&&) &
        EDDY_DELETED("a combinator takes ownership of its future: write std::move(f).then(...)");
};

}  // namespace eddy

#include <eddy/future/combinators.hpp>
