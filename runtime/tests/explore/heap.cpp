// SPDX-License-Identifier: MIT
#include "explore/heap.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace explore::detail {
namespace {

// Preferred address of the heap. With a fixed address, paths and traces are the same in another process.
void* const usual_place = reinterpret_cast<void*>(std::uintptr_t{0x100000000000});

void* reserve(std::size_t size, void* where) {
    void* const memory = mmap(where, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "explore: no memory for a heap");
    return memory;
}

}  // namespace

heap::heap()
    : memory_(static_cast<std::byte*>(reserve(reserved, usual_place))),
      block_of_(static_cast<std::uint32_t*>(reserve(reserved / granule * sizeof(std::uint32_t), nullptr))) {}

heap::~heap() {
    munmap(memory_, reserved);
    munmap(block_of_, reserved / granule * sizeof(std::uint32_t));
}

void heap::clear() noexcept {
    std::memset(block_of_, 0, (used_ + granule - 1) / granule * sizeof(std::uint32_t));
    used_ = 0;
    blocks_.clear();
}

void* heap::allocate(std::size_t size, std::size_t alignment, const void* code) noexcept {
    if (alignment < granule) alignment = granule;
    const std::size_t begin = (used_ + alignment - 1) / alignment * alignment;
    if (size > reserved || begin + size + gap > reserved) return nullptr;
    const std::size_t granules = (size + granule - 1) / granule + (size == 0 ? 1 : 0);
    used_ = begin + granules * granule + gap;
    blocks_.push_back({memory_ + begin, size, code, true});
    const auto name = static_cast<std::uint32_t>(blocks_.size());
    for (std::size_t i = 0; i < granules; ++i) block_of_[begin / granule + i] = name;
    // Overwrite the contents from earlier executions, so that a read of uninitialized memory gives the same value each
    // time.
    std::memset(memory_ + begin, 0xcd, size);
    return memory_ + begin;
}

const heap::block* heap::free(void* address) noexcept {
    const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(address) - memory_);
    const std::uint32_t name = block_of_[offset / granule];
    if (name == 0) return nullptr;
    block& freed = blocks_[name - 1];
    if (freed.address != address || !freed.is_live) return nullptr;
    freed.is_live = false;
    return &freed;
}

heap::state heap::state_of(const void* address, std::size_t size) const noexcept {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(address) - memory_);
    const std::uint32_t name = block_of_[offset / granule];
    if (name == 0) return state::outside;
    const block& here = blocks_[name - 1];
    if (static_cast<const std::byte*>(address) + size > here.address + here.size) return state::outside;
    return here.is_live ? state::live : state::freed;
}

}  // namespace explore::detail
