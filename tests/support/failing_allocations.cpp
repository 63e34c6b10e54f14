// SPDX-License-Identifier: MIT
#include "support/failing_allocations.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace support {

constinit thread_local long allocations_left = no_limit;
constinit thread_local bool memory_stays_short = false;

namespace {

void* allocate(std::size_t size, std::size_t alignment) {
    if (allocations_left == 0) {
        if (!memory_stays_short) allocations_left = one_has_failed;
        throw std::bad_alloc();
    }
    if (allocations_left > 0) --allocations_left;
    const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
    void* const block = std::aligned_alloc(alignment, whole);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

}  // namespace
}  // namespace support

void* operator new(std::size_t size) { return support::allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return support::allocate(size, std::max<std::size_t>(static_cast<std::size_t>(alignment), 16));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    try {
        return support::allocate(size, 16);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
// By default these functions call those above. AddressSanitizer has its own.
void* operator new[](std::size_t size) { return support::allocate(size, 16); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return operator new(size, alignment); }
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
