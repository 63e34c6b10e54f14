// SPDX-License-Identifier: MIT
#include <eddy/detail/byte_block.hpp>

#include <limits>
#include <new>
#include <stdexcept>

namespace eddy::detail {

byte_block* byte_block::make(std::size_t capacity) {
    if (capacity > std::numeric_limits<std::size_t>::max() / 2 - sizeof(byte_block)) {
        throw std::length_error("eddy::bytes_mut: the requested capacity is larger than the address space");
    }
    void* const memory = ::operator new(sizeof(byte_block) + capacity);
    // SAFETY: the bytes start directly after the header, in the same allocation, which free_with_bytes() frees.
    auto* const bytes = static_cast<std::byte*>(memory) + sizeof(byte_block);
    return ::new (memory) byte_block(bytes, capacity, true, &free_with_bytes);
}

void byte_block::free_with_bytes(byte_block* block) noexcept {
    block->~byte_block();
    ::operator delete(block);
}

}  // namespace eddy::detail
