// SPDX-License-Identifier: MIT
#include "sys/udp_batch.hpp"

#include <algorithm>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

// A batch costs one system call per datagram. recvmmsg(2) and sendmmsg(2), where they exist, save little, and no system
// but Linux can segment a message.

namespace eddy::sys {

result<std::size_t> recv_batch(int fd, std::span<net::incoming_datagram> all) noexcept {
    const std::size_t most = std::min(all.size(), most_datagrams_at_once);
    std::size_t count = 0;
    for (; count != most; ++count) {
        net::incoming_datagram& into = all[count];
        native_addr from;
        const auto got = recv_from(fd, into.buffer, from);
        if (!got) {
            // An error after the first datagram is lost, as with recvmmsg(3) on FreeBSD. UDP does not guarantee that
            // errors are reported.
            if (count == 0) return std::unexpected(got.error());
            break;
        }
        into.size = got->size;
        into.is_truncated = got->is_truncated;
        into.from = from_native(from.get(), from.size).value_or(net::socket_addr());
    }
    return count;
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
