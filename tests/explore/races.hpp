// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "explore/vector_clock.hpp"

namespace explore::detail {

/// Who has read and written each byte of plain memory, so that two accesses that nothing orders are found: in every
/// execution that has the same order of atomic operations, also if the two happen to come far apart.
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

    /// Notes an access. The earlier one, if there is one that it races with; `seen` is what the thread knows of others.
    [[nodiscard]] std::optional<access> note(const void* address, std::size_t size, access made,
                                             const vector_clock& seen);

    /// An object of the explorer's own begins here: what was there before is no concern of its users.
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
        std::uint32_t execution = 0;  // of another one: empty
        std::uint8_t count = 0;
        std::uint8_t next_victim = 0;
        // Few, since an access replaces the thread's own earlier ones. If they do not suffice, one is forgotten.
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
