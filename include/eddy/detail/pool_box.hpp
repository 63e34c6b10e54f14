// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

namespace eddy::detail {

/// Whether the frame pool's alignment is sufficient for a `T`, so that pool_new() accepts it.
template <class T>
inline constexpr bool fits_pool = alignof(T) <= size_class_step;

/// Makes a `T` in a block of the frame pool, or on the heap if `T` is overaligned. Free it with pool_destroy().
template <class T, class... Args>
[[nodiscard]] T* pool_make(Args&&... args) {
    if constexpr (fits_pool<T>) {
        return pool_new<T>(std::forward<Args>(args)...);
    } else {
        return new T(std::forward<Args>(args)...);
    }
}

/// Destroys and frees an object that pool_make() made.
template <class T>
void pool_destroy(T* object) noexcept {
    if constexpr (fits_pool<T>) {
        pool_delete(object);
    } else {
        delete object;
    }
}

/// The deleter of pool_box.
struct pool_box_deleter {
    template <class T>
    void operator()(T* object) const noexcept {
        pool_destroy(object);
    }
};

/// Owns an object that pool_make() made.
template <class T>
using pool_box = std::unique_ptr<T, pool_box_deleter>;

/// Makes a `T` with pool_make() and returns its owner.
template <class T, class... Args>
[[nodiscard]] pool_box<T> make_pool_box(Args&&... args) {
    return pool_box<T>(pool_make<T>(std::forward<Args>(args)...));
}

}  // namespace eddy::detail
