// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "explore/vector_clock.hpp"

namespace explore::detail {

/// Records the reads and writes of each byte of plain memory, and finds two conflicting accesses without
/// synchronization. It finds a race in every execution that has the same order of atomic operations, even if the two
/// accesses are far apart.
class races {
public:
    races() : cells_(std::size_t{1} << 12) {}

    void clear() noexcept {
        ++execution_;
        used_ = 0;
    }

    struct access {
        unsigned thread;
        stamp when;
        const void* code;
        bool is_write;
    };

    /// Records an access. Returns an earlier access that it races with, if there is one. `seen` is the clock of the
    /// accessing thread.
    [[nodiscard]] std::optional<access> note(const void* address, std::size_t size, access made,
                                             const vector_clock& seen);

    /// Forgets all earlier accesses to this memory. Call it when an atomic, lock or tracked object is constructed
    /// there: the earlier accesses do not race with the users of the object.
    void forget(const void* address, std::size_t size);

private:
    struct record {
        stamp when;
        std::uint8_t thread;
        std::uint8_t mask;  // which of the eight bytes
        bool is_write;
        const void* code;
    };
    struct cell {
        std::uintptr_t granule = 0;
        std::uint32_t execution = 0;  // cells of another execution are empty
        std::uint8_t count = 0;
        std::uint8_t next_victim = 0;
        // An access replaces earlier accesses of the same thread, so a few records suffice. If all are in use, one of
        // them is overwritten, and a race with its access is missed.
        record records[8];
    };

    cell& cell_of(std::uintptr_t granule);
    void grow();
    static std::optional<access> note(cell& at, std::uint8_t mask, const access& made, const vector_clock& seen);

    std::vector<cell> cells_;  // open addressing
    std::size_t used_ = 0;
    std::uint32_t execution_ = 1;
};

}  // namespace explore::detail
