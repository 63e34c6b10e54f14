// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace explore::detail {

/// The memory that operator new returns while a model runs. No address is used twice within an execution, so every use
/// after free is found. Each execution starts with an empty heap, so the addresses repeat.
class heap {
public:
    heap();
    heap(const heap&) = delete;
    heap& operator=(const heap&) = delete;
    ~heap();

    void clear() noexcept;

    struct block {
        std::byte* address;
        std::size_t size;
        const void* allocated_at;  ///< return address
        bool is_live;
    };

    /// Returns null if the heap is full.
    [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment, const void* code) noexcept;
    /// Marks the block as freed and returns it. Returns null if no live block starts at `address`.
    [[nodiscard]] const block* free(void* address) noexcept;

    [[nodiscard]] bool holds(const void* address) const noexcept {
        const auto* const at = static_cast<const std::byte*>(address);
        return at >= memory_ && at < memory_ + reserved;
    }
    enum class state : std::uint8_t { outside, live, freed };
    /// Returns whether the range is within one block, and whether that block is live. The block is the one of the first
    /// byte. Precondition: holds(address).
    [[nodiscard]] state state_of(const void* address, std::size_t size) const noexcept;

    [[nodiscard]] const std::vector<block>& blocks() const noexcept { return blocks_; }

private:
    static constexpr std::size_t reserved = std::size_t{64} << 20;
    static constexpr std::size_t granule = 16;
    // A gap after each block. It belongs to no block.
    static constexpr std::size_t gap = 16;

    std::byte* memory_;
    std::size_t used_ = 0;
    std::uint32_t* block_of_;  // by granule: 1 + the index in blocks_, or 0
    std::vector<block> blocks_;
};

}  // namespace explore::detail
