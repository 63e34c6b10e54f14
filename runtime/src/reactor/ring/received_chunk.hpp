// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::detail {

class buffer_owner;

/// An element of a socket's receive queue: the bytes that one receive has put into a provided buffer (each buffer has
/// one chunk), or an accepted connection.
struct received_chunk {
    received_chunk* next = nullptr;
    buffer_owner* from = nullptr;  ///< the buffer's owner; null for a connection
    std::byte* buffer = nullptr;
    std::uint32_t begin = 0;  ///< the bytes before this were read
    std::uint32_t end = 0;

    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    [[nodiscard]] std::byte* data() const noexcept { return buffer + begin; }
    /// Returns the buffer to its owner, or resets the connection.
    void give_back() noexcept;
};

}  // namespace eddy::detail
