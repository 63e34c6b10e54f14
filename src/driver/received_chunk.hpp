// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include <eddy/detail/buffer_home.hpp>
#include <eddy/detail/frame_pool.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

/// Closes a connection that nobody has accepted, as the kernel does with those in a listener's queue.
inline void reset_connection(int fd) noexcept {
    static_cast<void>(sys::set_option(fd, SOL_SOCKET, SO_LINGER, ::linger{1, 0}));
    ::close(fd);
}

/// What a ring has brought for a socket: a link of its queue. What a receive has put into one buffer, of which each has one;
/// or a connection.
struct received_chunk {
    received_chunk* next = nullptr;
    buffer_home* from = nullptr;  ///< null for a connection
    std::byte* buffer = nullptr;
    std::uint32_t begin = 0;  ///< what is before this has been read
    std::uint32_t end = 0;
    int connection = -1;

    /// Null if there is no memory.
    [[nodiscard]] static received_chunk* make(int connection) noexcept;
    /// The descriptor is the caller's from now on.
    [[nodiscard]] int take_connection() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    [[nodiscard]] std::byte* data() const noexcept { return buffer + begin; }
    /// A buffer goes home; a connection is reset.
    void give_back() noexcept {
        if (from != nullptr) return from->give_back(buffer);
        reset_connection(take_connection());
    }
};

inline received_chunk* received_chunk::make(int connection) noexcept try {
    auto* const made = pool_new<received_chunk>();
    made->connection = connection;
    return made;
} catch (const std::bad_alloc&) {
    return nullptr;
}

inline int received_chunk::take_connection() noexcept {
    const int fd = connection;
    pool_delete(this);
    return fd;
}

}  // namespace eddy::detail
