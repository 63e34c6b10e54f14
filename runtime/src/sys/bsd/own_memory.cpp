// SPDX-License-Identifier: MIT
#include "sys/own_memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "sys/fd.hpp"

namespace eddy::sys {

// write(2) reports an address that does not exist as an error.
bool copy_own_memory(const void* from, std::span<std::byte> into) noexcept {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return false;
    const unique_fd read_end(ends[0]);
    const unique_fd write_end(ends[1]);
    const auto* at = static_cast<const std::byte*>(from);
    while (!into.empty()) {
        const std::size_t part = std::min<std::size_t>(into.size(), PIPE_BUF);
        if (::write(write_end.get(), at, part) != static_cast<ssize_t>(part)) return false;
        if (::read(read_end.get(), into.data(), part) != static_cast<ssize_t>(part)) return false;
        at += part;
        into = into.subspan(part);
    }
    return true;
}

}  // namespace eddy::sys
