// SPDX-License-Identifier: MIT
// malloc and similar functions that override those of glibc. Without an allocation_count they cost one predicted
// branch. The memory is always from glibc, so that its free() releases it.
#include "allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

// glibc's internal names of its allocation functions. The replacements below call them.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

// relaxed: these are counters that publish no other data. A case reads them on the thread that allocates, so the values
// are exact.
constinit std::atomic<bool> is_counting = false;
constinit std::atomic<std::uint64_t> counted_calls = 0;
constinit std::atomic<std::uint64_t> counted_bytes = 0;

void count(std::size_t bytes) noexcept {
    if (!is_counting.load(std::memory_order_relaxed)) return;
    counted_calls.fetch_add(1, std::memory_order_relaxed);
    counted_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
    count(size);
    return __libc_malloc(size);
}

void* calloc(std::size_t number, std::size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void* realloc(void* block, std::size_t size) {
    count(size);
    return __libc_realloc(block, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void** into, std::size_t alignment, std::size_t size) {
    void* const block = aligned_alloc(alignment, size);
    if (block == nullptr) return ENOMEM;
    *into = block;
    return 0;
}

}  // extern "C"

namespace bench::rt {

allocation_count::allocation_count() noexcept {
    counted_calls.store(0, std::memory_order_relaxed);
    counted_bytes.store(0, std::memory_order_relaxed);
    is_counting.store(true, std::memory_order_relaxed);
}

allocation_count::~allocation_count() { is_counting.store(false, std::memory_order_relaxed); }

std::uint64_t allocation_count::calls() const noexcept { return counted_calls.load(std::memory_order_relaxed); }

std::uint64_t allocation_count::bytes() const noexcept { return counted_bytes.load(std::memory_order_relaxed); }

}  // namespace bench::rt
