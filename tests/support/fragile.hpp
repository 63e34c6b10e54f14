// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <utility>

namespace support {

/// A value with a move that throws on request.
struct fragile {
    static inline int moves_left = -1;  ///< the number of moves that succeed before one throws; -1: no move throws

    int number = 0;

    explicit fragile(int n) noexcept : number(n) {}
    fragile(fragile&& other) : number(other.number) {  // NOLINT(performance-noexcept-move-constructor): it throws
        count();
        other.number = -1;
    }
    fragile& operator=(fragile&& other) {  // NOLINT(performance-noexcept-move-constructor): it throws
        count();
        number = std::exchange(other.number, -1);
        return *this;
    }
    ~fragile() = default;

    static void count() {
        if (moves_left == 0) {
            moves_left = -1;
            throw std::runtime_error("this move throws");
        }
        if (moves_left > 0) --moves_left;
    }
};

/// While an instance exists, `after` moves of fragile values succeed, and then one move throws.
struct failing_move {
    explicit failing_move(int after) { fragile::moves_left = after; }
    failing_move(const failing_move&) = delete;
    failing_move& operator=(const failing_move&) = delete;
    ~failing_move() { fragile::moves_left = -1; }
};

}  // namespace support
