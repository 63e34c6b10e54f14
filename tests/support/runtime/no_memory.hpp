// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <new>

#include <eddy/detail/frame_pool.hpp>

#include "support/failing_allocations.hpp"

namespace support {

/// While an instance exists, each allocation of its thread fails, also those from the memory pool of the thread: the
/// instance holds all blocks of that pool. At most one instance per thread.
class no_memory {
public:
    no_memory() noexcept {
        memory_stays_short = true;
        allocations_left = 0;
        for (std::size_t i = 1; i < blocks_.size(); ++i) take_all(i);
    }
    no_memory(const no_memory&) = delete;
    no_memory& operator=(const no_memory&) = delete;
    ~no_memory() {
        memory_stays_short = false;
        allocations_left = no_limit;
        for (std::size_t i = 1; i < blocks_.size(); ++i) {
            while (eddy::detail::free_block* const block = blocks_.at(i)) {
                blocks_.at(i) = block->next;
                eddy::detail::free_block_of(block, size_of(i));
            }
        }
    }

private:
    static std::size_t size_of(std::size_t size_class) { return size_class * eddy::detail::size_class_step; }
    void take_all(std::size_t size_class) noexcept try {
        for (;;) {
            void* const block = eddy::detail::allocate_block(size_of(size_class));
            blocks_.at(size_class) = ::new (block) eddy::detail::free_block{blocks_.at(size_class)};
        }
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the pool has no more blocks
    }

    std::array<eddy::detail::free_block*, eddy::detail::size_class_count> blocks_{};
};

}  // namespace support
