// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <eddy/detail/export.hpp>

// Memory for coroutine frames, task cells and the states of registrations: per-thread heaps by size class.
//
// A heap carves 64 KiB chunks, aligned to their size, into blocks of one size class. The chunk's header names its heap,
// so a free finds the owner by masking the address. A thread's own free and allocation are a push and a pop on a plain
// list. A free on another thread goes home by the owner's lock-free list, in batches. At thread exit a heap is left for
// the next thread that needs one.
//
// Under a sanitizer everything is malloc's, so that it sees each block.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define EDDY_POOL_IS_MALLOC 1
#endif
#endif

namespace eddy::detail {

struct free_block {
    free_block* next;
};

inline constexpr std::size_t chunk_size = 64 * 1024;
inline constexpr std::size_t size_class_step = 16;
inline constexpr std::size_t size_class_count = 129;  // up to 2 KiB; larger blocks are malloc's
inline constexpr std::size_t largest_pooled = (size_class_count - 1) * size_class_step;

/// One thread's free lists. What only the owner touches; the rest is in frame_pool.cpp.
struct frame_heap {
    free_block* free[size_class_count] = {};
};

/// The first bytes of each chunk.
struct alignas(128) chunk_header {
    frame_heap* owner;
    std::size_t size_class;
};

EDDY_API inline constinit thread_local frame_heap* this_thread_heap = nullptr;

EDDY_API void* allocate_block_slowly(std::size_t size);
EDDY_API void free_block_elsewhere(void* block) noexcept;

// Distinct names by kind: a program may mix translation units built with and without a sanitizer.
#ifdef EDDY_POOL_IS_MALLOC
inline namespace from_malloc {
[[nodiscard]] inline void* allocate_block(std::size_t size) {
    return ::operator new(size, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
inline void free_block_of(void* block, std::size_t size) noexcept {
    ::operator delete(block, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
}  // namespace from_malloc
#else
inline namespace from_pool {
/// `size` bytes, aligned to 16, or to 128 if `size` is a multiple of it.
/// Cost: a pop from a plain list after warm-up; malloc's above 2 KiB.
[[nodiscard]] inline void* allocate_block(std::size_t size) {
    const std::size_t size_class = (size + size_class_step - 1) / size_class_step;
    frame_heap* const heap = this_thread_heap;
    if (heap != nullptr && size_class < size_class_count) [[likely]] {
        if (free_block* const block = heap->free[size_class]) [[likely]] {
            heap->free[size_class] = block->next;
            return block;
        }
    }
    return allocate_block_slowly(size);
}

/// Gives back what `allocate_block(size)` answered, on any thread.
inline void free_block_of(void* block, std::size_t size) noexcept {
    const std::size_t size_class = (size + size_class_step - 1) / size_class_step;
    if (size_class >= size_class_count) [[unlikely]] {
        ::operator delete(block, std::align_val_t(128));
        return;
    }
    // SAFETY: blocks of these classes lie in chunks only, which are aligned to their size and begin with the header.
    const auto* chunk =
        reinterpret_cast<const chunk_header*>(reinterpret_cast<std::uintptr_t>(block) & ~(chunk_size - 1));
    frame_heap* const heap = this_thread_heap;
    if (chunk->owner == heap) [[likely]] {
        auto* const freed = static_cast<free_block*>(block);
        freed->next = heap->free[size_class];
        heap->free[size_class] = freed;
        return;
    }
    free_block_elsewhere(block);
}
}  // namespace from_pool
#endif

/// Sends the blocks of other threads' heaps that this thread has freed home now: before it parks.
EDDY_API void flush_freed_blocks() noexcept;

/// Objects of one type, in blocks of the pool.
template <class T, class... Args>
[[nodiscard]] T* pool_new(Args&&... args) {
    constexpr std::size_t size = (sizeof(T) + alignof(T) - 1) / alignof(T) * alignof(T);
    constexpr bool aligned = alignof(T) <= size_class_step || (alignof(T) == 128 && size % 128 == 0);
    static_assert(aligned,
                  "eddy: what is spawned must not be aligned to more than 16 bytes: keep such a member on the heap");
    void* const block = allocate_block(size);
    try {
        return ::new (block) T(static_cast<Args&&>(args)...);
    } catch (...) {
        free_block_of(block, size);
        throw;
    }
}

template <class T>
void pool_delete(T* object) noexcept {
    object->~T();
    free_block_of(object, sizeof(T));
}

}  // namespace eddy::detail
