// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace explore::detail {

/// Where operator new takes memory from while a model runs. No address is used twice within an execution, so that a use
/// after free is always seen; and each execution begins with the same empty heap, so that addresses repeat.
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
        const void* allocated_at;  ///< a code address
        bool is_live;
    };

    /// Null if it is full.
    [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment, const void* code) noexcept;
    /// The block, no longer live; null if none begins here, or it was freed before.
    [[nodiscard]] const block* free(void* address) noexcept;

    [[nodiscard]] bool holds(const void* address) const noexcept {
        const auto* const at = static_cast<const std::byte*>(address);
        return at >= memory_ && at < memory_ + reserved;
    }
    enum class state : std::uint8_t { outside, live, freed };
    /// Of what holds(): whether all of it lies in a block, of which the first byte speaks.
    [[nodiscard]] state state_of(const void* address, std::size_t size) const noexcept;

    [[nodiscard]] const std::vector<block>& blocks() const noexcept { return blocks_; }

private:
    static constexpr std::size_t reserved = std::size_t{64} << 20;
    static constexpr std::size_t granule = 16;
    // A gap after each block, which belongs to none.
    static constexpr std::size_t gap = 16;

    std::byte* memory_;
    std::size_t used_ = 0;
    std::uint32_t* block_of_;  // by granule: 1 + the index in blocks_; 0 for none
    std::vector<block> blocks_;
};

}  // namespace explore::detail
