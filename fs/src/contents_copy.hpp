// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <eddy/result.hpp>

namespace eddy::fs::detail {

/// A copy of the contents of an open file into an empty one, in parts. Holes stay holes.
///
/// Each byte of the copy was in the file at some time, also if another process changes its size meanwhile. So no size
/// is kept from one call to the next: the copy ends where a read finds no byte.
class contents_copy {
public:
    /// Lifetime: both descriptors must stay open.
    contents_copy(int from, int to) noexcept : from_(from), to_(to) {}

    /// Copies at most `most` bytes, apart from holes. Returns whether the copy is complete. Blocks.
    eddy::result<bool> step(std::size_t most);

    /// The number of bytes until now, with holes.
    [[nodiscard]] std::uint64_t size() const noexcept { return offset_; }

private:
    eddy::result<std::size_t> copy_some(std::size_t most);

    int from_;
    int to_;
    std::uint64_t offset_ = 0;
    std::vector<std::byte> piece_;  // empty while the kernel copies
};

}  // namespace eddy::fs::detail
