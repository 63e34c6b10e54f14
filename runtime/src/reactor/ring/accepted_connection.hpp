// SPDX-License-Identifier: MIT
#pragma once

#include <new>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "reactor/ring/chunk_queue.hpp"
#include "sys/fd.hpp"
#include "sys/linger.hpp"

namespace eddy::detail {

/// Resets a connection that was never accepted by the application, as the kernel does for the connections in a
/// listener's queue.
inline void reset_connection(int fd) noexcept {
    sys::reset_at_close(fd);
    sys::close(fd);
}

/// A connection that the ring has accepted.
struct accepted_connection : received_chunk {
    int fd;
    result<net::socket_addr> peer;

    /// A connection with descriptor `number`; `where_from` is the peer's address or the error of its conversion.
    accepted_connection(int number, const result<net::socket_addr>& where_from) noexcept
        : fd(number), peer(where_from) {}

    /// Creates a chunk for a connection. Returns null if there is no memory. Then the caller still owns `fd`.
    [[nodiscard]] static accepted_connection* make(int fd, const result<net::socket_addr>& peer) noexcept try {
        return pool_new<accepted_connection>(fd, peer);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }

    /// The result of take().
    struct parts {
        int fd;
        result<net::socket_addr> peer;
    };
    /// Frees the chunk and passes its descriptor to the caller.
    /// Preconditions: the chunk comes from a listener's queue.
    [[nodiscard]] static parts take(received_chunk& chunk) noexcept {
        // SAFETY: a listener's queue contains only chunks that make() has created. The caller has unlinked this one and
        // owns it.
        auto& taken = static_cast<accepted_connection&>(chunk);
        parts answer{taken.fd, taken.peer};
        pool_delete(&taken);
        return answer;
    }
};

}  // namespace eddy::detail
