// SPDX-License-Identifier: MIT
#include "support/ws/counted_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#ifdef EDDY_TEST_TLS
#include <openssl/crypto.h>
#endif

namespace support {
namespace {

std::atomic<std::ptrdiff_t> allocated = 0;

/// The size of a block is stored before it.
constexpr std::size_t least_alignment = 16;

/// Returns null if there is no memory.
void* allocate(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t before = std::max(alignment, least_alignment);
    const std::size_t whole = (before + size + before - 1) / before * before;
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(before, whole));
    if (memory == nullptr) return nullptr;
    std::memcpy(memory + before - sizeof size, &size, sizeof size);
    // relaxed: a counter; it publishes no other data.
    allocated.fetch_add(static_cast<std::ptrdiff_t>(size), std::memory_order_relaxed);
    return memory + before;
}

std::size_t size_of(void* block) noexcept {
    std::size_t size = 0;
    std::memcpy(&size, static_cast<std::byte*>(block) - sizeof size, sizeof size);
    return size;
}

void release(void* block, std::size_t alignment) noexcept {
    if (block == nullptr) return;
    // relaxed: as in allocate()
    allocated.fetch_sub(static_cast<std::ptrdiff_t>(size_of(block)), std::memory_order_relaxed);
    std::free(static_cast<std::byte*>(block) - std::max(alignment, least_alignment));
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    void* const block = allocate(size, alignment);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

#ifdef EDDY_TEST_TLS
void* reallocate(void* block, std::size_t size, const char*, int) {
    void* const larger = allocate(size, least_alignment);
    if (block == nullptr || larger == nullptr) return larger;
    std::memcpy(larger, block, std::min(size, size_of(block)));
    release(block, least_alignment);
    return larger;
}

/// Possible only before OpenSSL's first allocation.
const bool openssl_is_counted =
    CRYPTO_set_mem_functions([](std::size_t size, const char*, int) { return allocate(size, least_alignment); },
                             reallocate, [](void* block, const char*, int) { release(block, least_alignment); }) == 1;
#endif

}  // namespace

std::ptrdiff_t allocated_bytes() noexcept {
#ifdef EDDY_TEST_TLS
    if (!openssl_is_counted) std::abort();
#endif
    return allocated.load(std::memory_order_relaxed);  // relaxed: as in allocate()
}

}  // namespace support

using support::allocate_or_throw;
using support::least_alignment;
using support::release;

void* operator new(std::size_t size) { return allocate_or_throw(size, least_alignment); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return support::allocate(size, least_alignment);
}
// By default these functions call those above. AddressSanitizer has its own.
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
void operator delete(void* block) noexcept { release(block, least_alignment); }
void operator delete(void* block, std::size_t) noexcept { release(block, least_alignment); }
void operator delete(void* block, std::align_val_t alignment) noexcept {
    release(block, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    release(block, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block, least_alignment); }
void operator delete[](void* block) noexcept { release(block, least_alignment); }
void operator delete[](void* block, std::size_t) noexcept { release(block, least_alignment); }
void operator delete[](void* block, std::align_val_t alignment) noexcept { operator delete(block, alignment); }
void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
    operator delete(block, alignment);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept { release(block, least_alignment); }
