// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// Counts the memory blocks that this thread allocates from the frame pool while the object exists. Objects nest.
///
/// An allocation that is not counted costs nothing for this: meanwhile the thread has a heap without free blocks, so
/// that each allocation takes the slow path, which counts.
/// Thread safety: one thread.
class counted_allocations : immovable {
public:
    counted_allocations() noexcept;
    ~counted_allocations();

    [[nodiscard]] std::uint64_t count() const noexcept;

private:
    const bool is_outermost_;
    const std::uint64_t before_;
};

}  // namespace eddy::detail
