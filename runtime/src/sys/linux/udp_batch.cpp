// SPDX-License-Identifier: MIT
#include "sys/udp_batch.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

// The advantage of a batch: on loopback and on many devices, most of the cost of a datagram is its way through the
// layers of the kernel, not the system call. So sendmmsg(2) alone saves little. Consecutive datagrams with the same
// receiver and the same size are sent as one message with UDP_SEGMENT (udp(7)). Such a message passes through the
// layers once and is segmented at the end.

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace eddy::sys {
namespace {

constexpr std::size_t most_bytes_cut = 65'000;  // before it is segmented, the message is a single IP packet

// ---- Receiving ----

struct receiving {
    std::array<mmsghdr, most_datagrams_at_once> messages;
    std::array<iovec, most_datagrams_at_once> buffers;
    std::array<sockaddr_in6, most_datagrams_at_once> senders;  // an IPv4 address is smaller
};

void prepare(receiving& all, std::size_t i, std::span<std::byte> into) noexcept {
    all.buffers[i] = {into.data(), into.size()};
    msghdr& message = all.messages[i].msg_hdr;
    message = {};
    message.msg_name = &all.senders[i];
    message.msg_namelen = sizeof(sockaddr_in6);
    message.msg_iov = &all.buffers[i];
    message.msg_iovlen = 1;
}

// ---- Sending ----

/// Returns how many datagrams at the front can be sent as one message.
std::size_t run_length(std::span<const net::outgoing_datagram> all) noexcept {
    const std::size_t size = all[0].bytes.size();
    if (size == 0) return 1;
    std::size_t total = size;
    std::size_t length = 1;
    while (length < all.size()) {
        const net::outgoing_datagram& next = all[length];
        total += next.bytes.size();
        if (next.bytes.empty() || next.bytes.size() > size || next.to != all[0].to || total > most_bytes_cut) break;
        ++length;
        if (next.bytes.size() < size) break;  // only the last segment may be smaller
    }
    return length;
}

class sending {
public:
    explicit sending(std::span<const net::outgoing_datagram> all, bool cuts) noexcept {
        for (std::size_t i = 0; i < all.size();) {
            const std::size_t length = cuts ? run_length(all.subspan(i)) : 1;
            add(all.subspan(i, length));
            i += length;
        }
    }

    /// Returns how many datagrams were sent.
    result<std::size_t> send(int fd) noexcept {
        const int sent = retry_interrupted(
            [&] { return ::sendmmsg(fd, messages_.data(), static_cast<unsigned>(count_), MSG_NOSIGNAL); });
        if (sent < 0) return std::unexpected(last_error());
        std::size_t datagrams = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) datagrams += messages_[i].msg_hdr.msg_iovlen;
        return datagrams;
    }
    /// Returns whether the first message consists of several datagrams.
    [[nodiscard]] bool begins_with_a_run() const noexcept { return messages_[0].msg_hdr.msg_iovlen > 1; }

private:
    static constexpr std::size_t control_size = CMSG_SPACE(sizeof(std::uint16_t));

    void add(std::span<const net::outgoing_datagram> run) noexcept {
        msghdr& message = messages_[count_].msg_hdr;
        message = {};
        if (run[0].to) {
            const auto native = to_native(*run[0].to);
            std::memcpy(&receivers_[count_], native.get(), native.size);
            message.msg_name = &receivers_[count_];
            message.msg_namelen = native.size;
        }
        message.msg_iov = &buffers_[buffer_count_];
        message.msg_iovlen = run.size();
        for (const net::outgoing_datagram& each : run) {
            // SAFETY: sendmmsg(2) only reads through the pointer that loses its const here.
            buffers_[buffer_count_++] = {const_cast<std::byte*>(each.bytes.data()), each.bytes.size()};
        }
        if (run.size() > 1) cut(message, static_cast<std::uint16_t>(run[0].bytes.size()));
        ++count_;
    }

    /// Makes the kernel segment the message into datagrams of this size.
    void cut(msghdr& message, std::uint16_t size) noexcept {
        message.msg_control = controls_[count_].data;
        message.msg_controllen = control_size;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof size);
        std::memcpy(CMSG_DATA(header), &size, sizeof size);
    }

    struct control {
        alignas(cmsghdr) std::byte data[control_size];
    };

    // These arrays are not initialized: only the elements that are used are written.
    std::array<mmsghdr, most_datagrams_at_once> messages_;
    std::array<iovec, most_datagrams_at_once> buffers_;
    std::array<control, most_datagrams_at_once> controls_;
    std::array<sockaddr_in6, most_datagrams_at_once> receivers_;
    std::size_t count_ = 0;
    std::size_t buffer_count_ = 0;
};

/// Returns whether the kernel cannot segment a run, although it could send its datagrams separately. Possible reasons:
/// the datagrams are too large for a packet (the kernel fragments datagrams that are sent separately), the device does
/// not support segmentation, or the kernel is older than 4.18.
bool cannot_cut(const std::error_code& error) noexcept {
    switch (error.value()) {
    case EINVAL:
    case EIO:
    case EMSGSIZE:
    case EOPNOTSUPP: return true;
    default: return false;
    }
}

}  // namespace

result<std::size_t> recv_batch(int fd, std::span<net::incoming_datagram> all, bool& is_drained) noexcept {
    receiving state;
    const std::size_t most = std::min(all.size(), most_datagrams_at_once);
    const int got = retry_interrupted([&] {
        for (std::size_t i = 0; i < most; ++i) prepare(state, i, all[i].buffer);
        return ::recvmmsg(fd, state.messages.data(), static_cast<unsigned>(most), 0, nullptr);
    });
    if (got < 0) return std::unexpected(last_error());
    const auto count = static_cast<std::size_t>(got);
    // If an error has ended the batch, Linux keeps the error in the socket and reports an event for it, before or after
    // this call. (An unwritable buffer causes no event. That error is reported after the next event.)
    is_drained = count < most;
    for (std::size_t i = 0; i < count; ++i) {
        const mmsghdr& message = state.messages[i];
        all[i].size = message.msg_len;
        all[i].is_truncated = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0;
        // SAFETY: the kernel has written an address there. from_native() copies it as the type that its family states.
        all[i].from = from_native(reinterpret_cast<const sockaddr*>(&state.senders[i]), message.msg_hdr.msg_namelen)
                          .value_or(net::socket_addr());
    }
    return count;
}

result<std::size_t> send_batch(int fd, std::span<const net::outgoing_datagram> all) noexcept {
    const auto first = all.first(std::min(all.size(), most_datagrams_at_once));
    sending runs(first, true);
    auto sent = runs.send(fd);
    if (sent || !runs.begins_with_a_run() || !cannot_cut(sent.error())) return sent;
    return sending(first, false).send(fd);
}

}  // namespace eddy::sys
