// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/joined_sizes.hpp>

namespace eddy::inline v0_1 {

/// The outputs of a `join`: a struct with the members `first`, `second`, ... up to `sixteenth`, for structured
/// bindings: `auto [a, b] = co_await join(x, y);`. `get<I>()` is for generic code. It is not a std::tuple and has no
/// tuple interface, because GCC 15 does not destroy such structured bindings in coroutines. So std::get does not take
/// it.
/// Thread safety: a plain value.
template <class... T>
struct joined;

}  // namespace eddy
