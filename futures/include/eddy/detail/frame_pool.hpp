// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <eddy/detail/export.hpp>

// A memory pool for coroutine frames, tasks and other small objects: one heap per thread, one free list per size class.
//
// A heap divides 64 KiB chunks, aligned to their size, into memory blocks of one size class. The last bytes of a chunk
// contain a pointer to its heap, so a free finds the owner by masking the block's address. On the owner thread an
// allocation is a pop from a plain list, and a free is a push. A block freed on another thread returns through the
// owner's lock-free list, in batches. When a thread exits, its heap is kept for the next thread that needs one.
//
// In a library that a sanitizer checks, each block is allocated by operator new, so that the sanitizer tracks it.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define EDDY_POOL_IS_MALLOC 1
#endif
#endif

namespace eddy::detail {

/// The link of a free memory block, stored in its first word.
struct free_block {
    free_block* next;
};

// Sizes in bytes.
inline constexpr std::size_t chunk_size = 64 * 1024;
inline constexpr std::size_t size_class_step = 16;
inline constexpr std::size_t size_class_count = 129;  // up to 2 KiB; larger blocks are allocated by operator new
inline constexpr std::size_t largest_pooled = (size_class_count - 1) * size_class_step;

/// The free lists of one heap. Accessed by the owner thread only; the shared part is in frame_pool.cpp.
struct frame_heap {
    free_block* free[size_class_count] = {};
};

/// The last bytes of each chunk. So the first block is aligned like the chunk.
struct chunk_info {
    frame_heap* owner;
    std::size_t size_class;
};

/// Returns the information about the chunk of a block.
[[nodiscard]] inline chunk_info& info_of(const void* block) noexcept {
    // SAFETY: each block of the pool is part of a chunk, which is aligned to its size and ends with this object. Chunks
    // are never freed.
    return reinterpret_cast<chunk_info*>((reinterpret_cast<std::uintptr_t>(block) | (chunk_size - 1)) + 1)[-1];
}

/// The calling thread's heap; null before its first allocation and during thread exit.
EDDY_API inline constinit thread_local frame_heap* this_thread_heap = nullptr;

/// Allocates a block when the free list is empty, the thread has no heap, or the block is too large for the pool.
EDDY_API void* allocate_block_slowly(std::size_t size);
/// Returns a block to the heap of another thread.
EDDY_API void free_block_elsewhere(void* block) noexcept;

/// allocate_block() and free_block_of() of the library, which uses the pool unless a sanitizer checks the library.
[[nodiscard]] EDDY_API void* allocate_block_of_library(std::size_t size);
EDDY_API void free_block_of_library(void* block, std::size_t size) noexcept;

// A program that a sanitizer checks may link a library that none checks. The library allocates objects that the program
// frees, so both must use the same functions. Two inline namespaces keep the two definitions apart.
#ifdef EDDY_POOL_IS_MALLOC
inline namespace from_library {
[[nodiscard]] inline void* allocate_block(std::size_t size) { return allocate_block_of_library(size); }
inline void free_block_of(void* block, std::size_t size) noexcept { free_block_of_library(block, size); }
}  // namespace from_library
#else
inline namespace from_pool {
/// Returns `size` bytes, aligned to 16, or to 128 if `size` is a multiple of 128.
/// Cost: after warm-up a pop from a plain list; above 2 KiB, same as operator new.
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

/// Frees a block that allocate_block(size) returned, with the same `size`. Callable on any thread.
inline void free_block_of(void* block, std::size_t size) noexcept {
    const std::size_t size_class = (size + size_class_step - 1) / size_class_step;
    if (size_class >= size_class_count) [[unlikely]] {
        ::operator delete(block, std::align_val_t(128));
        return;
    }
    frame_heap* const heap = this_thread_heap;
    if (info_of(block).owner == heap) [[likely]] {
        // SAFETY: the caller has given the block up, and each block is large enough for a free_block.
        auto* const freed = static_cast<free_block*>(block);
        freed->next = heap->free[size_class];
        heap->free[size_class] = freed;
        return;
    }
    free_block_elsewhere(block);
}
}  // namespace from_pool
#endif

/// Returns the blocks that this thread has freed for other threads' heaps. Call it before the thread parks, so that the
/// blocks do not stay in an incomplete batch.
EDDY_API void flush_freed_blocks() noexcept;

/// Whether pool_new() creates objects of type `T` in the pool: whether the pool aligns its blocks sufficiently.
template <class T>
inline constexpr bool is_pooled = alignof(T) <= size_class_step || (alignof(T) == 128 && sizeof(T) % 128 == 0);

/// Creates an object in a block of the pool, or on the heap if `T` needs a larger alignment. Free it with
/// pool_delete().
/// Errors: throws std::bad_alloc, or what the constructor throws.
template <class T, class... Args>
[[nodiscard, gnu::always_inline]] inline T* pool_new(Args&&... args) {
    if constexpr (!is_pooled<T>) {
        return new T(static_cast<Args&&>(args)...);
    } else {
        void* const block = allocate_block(sizeof(T));
        try {
            return ::new (block) T(static_cast<Args&&>(args)...);
        } catch (...) {
            free_block_of(block, sizeof(T));
            throw;
        }
    }
}

/// Destroys an object that pool_new<T>() has created. Callable on any thread.
template <class T>
void pool_delete(T* object) noexcept {
    if constexpr (!is_pooled<T>) {
        delete object;
    } else {
        object->~T();
        free_block_of(object, sizeof(T));
    }
}

/// A deleter for objects that pool_new() has created.
struct pool_destroyer {
    void operator()(auto* object) const noexcept { pool_delete(object); }
};
template <class T>
using pool_box = std::unique_ptr<T, pool_destroyer>;

}  // namespace eddy::detail
