// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include <eddy/detail/buffer_home.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

/// Closes a connection that nobody has accepted, as the kernel does with those in a listener's queue.
inline void reset_connection(int fd) noexcept {
    sys::reset_at_close(fd);
    ::close(fd);
}

/// What a ring has brought for a socket: a link of its queue. What a receive has put into one buffer, of which each has
/// one; or a connection.
struct received_chunk {
    received_chunk* next = nullptr;
    buffer_home* from = nullptr;  ///< null for a connection
    std::byte* buffer = nullptr;
    std::uint32_t begin = 0;  ///< what is before this has been read
    std::uint32_t end = 0;

    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    [[nodiscard]] std::byte* data() const noexcept { return buffer + begin; }
    /// A buffer goes home; a connection is reset.
    void give_back() noexcept;
};

/// A connection that a ring has accepted.
struct accepted_connection : received_chunk {
    int fd;
    result<net::socket_addr> peer;

    accepted_connection(int number, const result<net::socket_addr>& where_from) noexcept
        : fd(number), peer(where_from) {}

    /// Null if there is no memory.
    [[nodiscard]] static accepted_connection* make(int fd, const result<net::socket_addr>& peer) noexcept try {
        return pool_new<accepted_connection>(fd, peer);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }

    struct parts {
        int fd;
        result<net::socket_addr> peer;
    };
    /// The descriptor is the caller's from now on. Precondition: the chunk is a listener's.
    [[nodiscard]] static parts take(received_chunk& chunk) noexcept {
        auto& taken = static_cast<accepted_connection&>(chunk);
        parts answer{taken.fd, taken.peer};
        pool_delete(&taken);
        return answer;
    }
};

inline void received_chunk::give_back() noexcept {
    if (from != nullptr) return from->give_back(buffer);
    reset_connection(accepted_connection::take(*this).fd);
}

}  // namespace eddy::detail
