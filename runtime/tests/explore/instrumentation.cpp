// SPDX-License-Identifier: MIT
// Replaces operator new and operator delete, and the run-time library of ThreadSanitizer. The tests are compiled with
// -fsanitize=thread but not linked with it: the compiler's instrumentation calls the functions below, so the explorer
// sees every access to plain memory, also in the library's code.
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "explore/engine.hpp"

namespace {

using explore::detail::plain_access;
using explore::detail::the_engine;

/// Records an atomic operation that the compiler generates, as in shared_ptr. The explorer does not explore such
/// operations, but they order other accesses.
void meet(const volatile void* address, bool acquires, bool releases) noexcept {
    if (!explore::detail::is_exploring()) return;
    const explore::detail::engine::inside guard(the_engine());
    // SAFETY: meet() uses the address only and does not access the object.
    the_engine().meet(const_cast<const void*>(address), acquires, releases);
}

#if __has_include(<sys/single_threaded.h>)
// glibc knows of one thread only, and shared_ptr then counts without atomic operations.
[[maybe_unused]] const bool counts_atomically = [] {
    __libc_single_threaded = 0;
    return true;
}();
#endif

void* allocate(std::size_t size, std::size_t alignment, const void* code) {
    if (explore::detail::is_exploring()) {
        const explore::detail::engine::inside guard(the_engine());
        return the_engine().allocate(size, alignment, code);
    }
    alignment = std::max(alignment, alignof(std::max_align_t));
    void* const memory =
        std::aligned_alloc(alignment, (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void deallocate(void* address, const void* code) noexcept {
    if (address == nullptr) return;
    if (explore::detail::is_of_a_model(address)) {
        if (!explore::detail::is_exploring()) return;  // a block that a failed execution left
        const explore::detail::engine::inside guard(the_engine());
        the_engine().deallocate(address, code);
        return;
    }
    std::free(address);
}

}  // namespace

// ---- Memory ----

void* operator new(std::size_t size) { return allocate(size, 0, __builtin_return_address(0)); }
void* operator new[](std::size_t size) { return allocate(size, 0, __builtin_return_address(0)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* address) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete[](void* address) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete(void* address, std::size_t) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete[](void* address, std::size_t) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete(void* address, std::align_val_t) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete[](void* address, std::align_val_t) noexcept { deallocate(address, __builtin_return_address(0)); }
void operator delete(void* address, std::size_t, std::align_val_t) noexcept {
    deallocate(address, __builtin_return_address(0));
}
void operator delete[](void* address, std::size_t, std::align_val_t) noexcept {
    deallocate(address, __builtin_return_address(0));
}

// ---- ThreadSanitizer's interface (compiler-rt, tsan_interface.h) ----

// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

void __tsan_init() {}

void __tsan_func_entry(void* caller) {
    if (explore::detail::is_exploring()) the_engine().enter_function(caller);
}
void __tsan_func_exit() {
    if (explore::detail::is_exploring()) the_engine().leave_function();
}

#define EDDY_EXPLORE_ACCESS(size)                                                                                   \
    void __tsan_read##size(void* address) { plain_access(address, size, false, __builtin_return_address(0)); }      \
    void __tsan_write##size(void* address) { plain_access(address, size, true, __builtin_return_address(0)); }      \
    void __tsan_unaligned_read##size(void* address) {                                                               \
        plain_access(address, size, false, __builtin_return_address(0));                                            \
    }                                                                                                               \
    void __tsan_unaligned_write##size(void* address) {                                                              \
        plain_access(address, size, true, __builtin_return_address(0));                                             \
    }                                                                                                               \
    void __tsan_volatile_read##size(void* address) {                                                                \
        plain_access(address, size, false, __builtin_return_address(0));                                            \
    }                                                                                                               \
    void __tsan_volatile_write##size(void* address) {                                                               \
        plain_access(address, size, true, __builtin_return_address(0));                                             \
    }                                                                                                               \
    void __tsan_read_write##size(void* address) { plain_access(address, size, true, __builtin_return_address(0)); } \
    void __tsan_unaligned_read_write##size(void* address) {                                                         \
        plain_access(address, size, true, __builtin_return_address(0));                                             \
    }
EDDY_EXPLORE_ACCESS(1)
EDDY_EXPLORE_ACCESS(2)
EDDY_EXPLORE_ACCESS(4)
EDDY_EXPLORE_ACCESS(8)
EDDY_EXPLORE_ACCESS(16)
#undef EDDY_EXPLORE_ACCESS

void __tsan_read_range(void* address, std::size_t size) {
    plain_access(address, size, false, __builtin_return_address(0));
}
void __tsan_write_range(void* address, std::size_t size) {
    plain_access(address, size, true, __builtin_return_address(0));
}
void __tsan_vptr_read(void** place) { plain_access(place, sizeof(void*), false, __builtin_return_address(0)); }
void __tsan_vptr_update(void** place, void* value) {
    // A destructor may set the pointer to its present value. That is not a write, as in ThreadSanitizer.
    if (*place != value) plain_access(place, sizeof(void*), true, __builtin_return_address(0));
}

void* __tsan_memcpy(void* to, const void* from, std::size_t size) {
    plain_access(from, size, false, __builtin_return_address(0));
    plain_access(to, size, true, __builtin_return_address(0));
    return std::memcpy(to, from, size);
}
void* __tsan_memmove(void* to, const void* from, std::size_t size) {
    plain_access(from, size, false, __builtin_return_address(0));
    plain_access(to, size, true, __builtin_return_address(0));
    return std::memmove(to, from, size);
}
void* __tsan_memset(void* to, int value, std::size_t size) {
    plain_access(to, size, true, __builtin_return_address(0));
    return std::memset(to, value, size);
}

#define EDDY_EXPLORE_MODIFY(bits, name)                                                          \
    std::uint##bits##_t __tsan_atomic##bits##_fetch_##name(volatile std::uint##bits##_t* object, \
                                                           std::uint##bits##_t by, int) {        \
        meet(object, true, true);                                                                \
        return __atomic_fetch_##name(object, by, __ATOMIC_SEQ_CST);                              \
    }
#define EDDY_EXPLORE_ATOMIC(bits)                                                                                     \
    std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* object, int) {                 \
        meet(object, true, false);                                                                                    \
        return __atomic_load_n(object, __ATOMIC_SEQ_CST);                                                             \
    }                                                                                                                 \
    void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* object, std::uint##bits##_t value, int) {          \
        meet(object, false, true);                                                                                    \
        __atomic_store_n(object, value, __ATOMIC_SEQ_CST);                                                            \
    }                                                                                                                 \
    std::uint##bits##_t __tsan_atomic##bits##_exchange(volatile std::uint##bits##_t* object,                          \
                                                       std::uint##bits##_t value, int) {                              \
        meet(object, true, true);                                                                                     \
        return __atomic_exchange_n(object, value, __ATOMIC_SEQ_CST);                                                  \
    }                                                                                                                 \
    int __tsan_atomic##bits##_compare_exchange_strong(                                                                \
        volatile std::uint##bits##_t* object, std::uint##bits##_t* expected, std::uint##bits##_t desired, int, int) { \
        meet(object, true, true);                                                                                     \
        return __atomic_compare_exchange_n(object, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
    }                                                                                                                 \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile std::uint##bits##_t* object,                             \
                                                    std::uint##bits##_t* expected, std::uint##bits##_t desired,       \
                                                    int success, int failure) {                                       \
        return __tsan_atomic##bits##_compare_exchange_strong(object, expected, desired, success, failure);            \
    }                                                                                                                 \
    EDDY_EXPLORE_MODIFY(bits, add)                                                                                    \
    EDDY_EXPLORE_MODIFY(bits, sub)                                                                                    \
    EDDY_EXPLORE_MODIFY(bits, and)                                                                                    \
    EDDY_EXPLORE_MODIFY(bits, or)                                                                                     \
    EDDY_EXPLORE_MODIFY(bits, xor)
EDDY_EXPLORE_ATOMIC(8)
EDDY_EXPLORE_ATOMIC(16)
EDDY_EXPLORE_ATOMIC(32)
EDDY_EXPLORE_ATOMIC(64)
#undef EDDY_EXPLORE_ATOMIC
#undef EDDY_EXPLORE_MODIFY

void __tsan_atomic_thread_fence(int) {
    if (!explore::detail::is_exploring()) return;
    const explore::detail::engine::inside guard(the_engine());
    the_engine().fail("a fence: the explorer does not model it");
}
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
