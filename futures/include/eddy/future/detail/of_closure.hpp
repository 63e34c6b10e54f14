// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy::detail {

/// A future of type `F` that was made of a lambda and does not have it in its type. It is used like an `F`, but an
/// await as an rvalue is a compile error; see holds_closure.hpp.
template <class F>
class of_closure : public F, public future_ops<of_closure<F>> {
    using ops = future_ops<of_closure<F>>;

public:
    using F::F;
    explicit of_closure(F&& made) : F(std::move(made)) {}
    using F::operator=;
    using ops::and_then;
    using ops::map;
    using ops::map_err;
    using ops::or_else;
    using ops::then;
};

template <class F>
struct holds_closure<of_closure<F>> : std::true_type {};

/// The future of type `F` that a function returns to which a callable of the deduced type `Fn` was passed.
template <class F, class Fn>
using made_of = std::conditional_t<dies_twice<Fn>, of_closure<F>, F>;

}  // namespace eddy::detail
