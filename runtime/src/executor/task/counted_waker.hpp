// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// The functions of the wakers of a `T` that counts its references with retain() and release(). The member function
/// `Notify` wakes it.
// SAFETY: `data` is the `T` of a waker with these functions. The waker holds a reference, or borrows one.
template <class T, auto Notify>
inline constexpr waker_vtable counted_waker{
    [](void* data) noexcept {
        static_cast<T*>(data)->retain();
        return data;
    },
    [](void* data) noexcept {
        (static_cast<T*>(data)->*Notify)();
        static_cast<T*>(data)->release();
    },
    [](void* data) noexcept { (static_cast<T*>(data)->*Notify)(); },
    [](void* data) noexcept { static_cast<T*>(data)->release(); },
};

}  // namespace eddy::detail
