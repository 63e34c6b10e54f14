// SPDX-License-Identifier: MIT
#include <eddy/bytes/detail/byte_block.hpp>

#include <limits>
#include <new>
#include <stdexcept>

#include <eddy/detail/frame_pool.hpp>

namespace eddy::detail {
namespace {

/// Blocks with at most this number of bytes come from the frame pool.
constexpr std::size_t most_pooled = 256;

}  // namespace

byte_block* byte_block::make(std::size_t capacity) {
    if (capacity > std::numeric_limits<std::size_t>::max() / 2 - sizeof(byte_block)) {
        throw std::length_error("eddy::bytes_mut: the requested capacity is larger than the address space");
    }
    void* const memory = capacity <= most_pooled ? allocate_block(sizeof(byte_block) + capacity)
                                                 : ::operator new(sizeof(byte_block) + capacity);
    // SAFETY: the bytes start directly after the header, in the same allocation, which free_with_bytes() frees.
    auto* const bytes = static_cast<std::byte*>(memory) + sizeof(byte_block);
    return ::new (memory) byte_block(bytes, capacity, true, &free_with_bytes);
}

void byte_block::free_with_bytes(byte_block* block) noexcept {
    const std::size_t capacity = block->capacity_;
    block->~byte_block();
    if (capacity <= most_pooled) {
        free_block_of(block, sizeof(byte_block) + capacity);
    } else {
        ::operator delete(block);
    }
}

}  // namespace eddy::detail
