// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

namespace eddy::detail {

/// Whether pool_new() takes a `T`.
template <class T>
inline constexpr bool fits_pool = alignof(T) <= size_class_step;

/// A `T` in a block of the frame pool; on the heap, where its alignment asks for more than the pool gives.
template <class T, class... Args>
[[nodiscard]] T* pool_make(Args&&... args) {
    if constexpr (fits_pool<T>) {
        return pool_new<T>(std::forward<Args>(args)...);
    } else {
        return new T(std::forward<Args>(args)...);
    }
}

template <class T>
void pool_destroy(T* object) noexcept {
    if constexpr (fits_pool<T>) {
        pool_delete(object);
    } else {
        delete object;
    }
}

struct pool_box_deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        pool_destroy(object);
    }
};

/// Owns one.
template <class T>
using pool_box = std::unique_ptr<T, pool_box_deleter>;

template <class T, class... Args>
[[nodiscard]] pool_box<T> make_pool_box(Args&&... args) {
    return pool_box<T>(pool_make<T>(std::forward<Args>(args)...));
}

}  // namespace eddy::detail
