// SPDX-License-Identifier: MIT
#include "sys/udp_batch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <system_error>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

// A batch costs one system call per sent datagram, and two per received one. recvmmsg(2) and sendmmsg(2), where they
// exist, save little, and no system but Linux can segment a message.

namespace eddy::sys {

result<std::size_t> recv_batch(int fd, std::span<net::incoming_datagram> all, bool& is_drained) noexcept {
    const std::size_t most = std::min(all.size(), most_datagrams_at_once);
    is_drained = false;
    for (std::size_t count = 0; count != most; ++count) {
        if (count != 0) {
            // The kernels of these systems report an error of a socket only if it has no datagram. A call with MSG_PEEK
            // leaves the error in the socket.
            std::array<std::byte, 1> first;
            const auto next = peek(fd, first);
            is_drained = !next && next.error() == std::errc::operation_would_block;
            if (!next) return count;
        }
        net::incoming_datagram& into = all[count];
        native_addr from;
        const auto got = recv_from(fd, into.buffer, from);
        if (!got) {
            if (count == 0) return std::unexpected(got.error());
            return count;  // another thread has received the datagram
        }
        into.size = got->size;
        into.is_truncated = got->is_truncated;
        into.from = from_native(from.get(), from.size).value_or(net::socket_addr());
    }
    return most;
}

result<std::size_t> send_batch(int fd, std::span<const net::outgoing_datagram> all) noexcept {
    const std::size_t most = std::min(all.size(), most_datagrams_at_once);
    for (std::size_t count = 0; count != most; ++count) {
        const net::outgoing_datagram& each = all[count];
        const auto sent = each.to ? send_to(fd, each.bytes, to_native(*each.to)) : send(fd, each.bytes);
        if (sent) continue;
        if (count == 0) return std::unexpected(sent.error());
        return count;  // the next call returns the error if it occurs again
    }
    return most;
}

}  // namespace eddy::sys
