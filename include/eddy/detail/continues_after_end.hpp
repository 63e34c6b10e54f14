// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

/// Whether the stream `S` may have items after its end. Such a stream has the member
/// `static constexpr bool continues_after_end = true`.
template <class S>
inline constexpr bool continues_after_end = false;
template <class S>
    requires requires { requires S::continues_after_end; }
inline constexpr bool continues_after_end<S> = true;

}  // namespace eddy::detail
