// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace bench::rt {

/// Counts the allocations of the whole process, by malloc or operator new, during its lifetime.
/// Preconditions: there is at most one instance at a time.
class allocation_count {
public:
    allocation_count() noexcept;
    allocation_count(const allocation_count&) = delete;
    allocation_count& operator=(const allocation_count&) = delete;
    ~allocation_count();

    [[nodiscard]] std::uint64_t calls() const noexcept;
    [[nodiscard]] std::uint64_t bytes() const noexcept;
};

}  // namespace bench::rt
