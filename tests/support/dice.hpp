// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace support {

/// Random decisions of a task or a test. The same seed gives the same decisions.
class dice {
public:
    explicit dice(std::uint64_t seed) : random_(seed) {}
    [[nodiscard]] std::size_t between(std::size_t least, std::size_t most) {
        return std::uniform_int_distribution<std::size_t>(least, most)(random_);
    }
    [[nodiscard]] std::size_t below(std::size_t end) { return between(0, end - 1); }
    [[nodiscard]] bool one_in(std::size_t n) { return between(1, n) == 1; }
    template <class T>
    [[nodiscard]] T one_of(const std::vector<T>& all) {
        return all[below(all.size())];
    }

private:
    std::mt19937_64 random_;
};

}  // namespace support
