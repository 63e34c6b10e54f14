// SPDX-License-Identifier: MIT
#include "clients.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace bench {

namespace {

constexpr std::size_t receive_size = 256UL * 1024;
constexpr std::size_t events_per_tick = 256;
// One address has about 28,000 ports (ip_local_port_range).
constexpr unsigned connections_per_address = 10'000;
// The number of connections that open_all() opens at a time. It keeps a server busy, and is far below the backlog.
constexpr unsigned openings = 64;
// If requests are in flight and nothing arrives for this time, the server is considered hung.
constexpr nanoseconds stall = 10'000'000'000;

sockaddr_in loopback(unsigned host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host);
    address.sin_port = htons(port);
    return address;
}

std::string name_of(unsigned client) { return "connection " + std::to_string(client); }

}  // namespace

clients::clients(std::uint16_t port, std::unique_ptr<const messages> exchanged, unsigned most)
    : port_(port),
      messages_(std::move(exchanged)),
      request_size_(messages_->request_size()),
      answer_size_(messages_->answer_size()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      streams_(most),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(receive_size)),
      time_(now()) {
    if (epoll_ < 0) throw_errno("epoll_create1");
}

// ---- Opening and closing ----

void clients::open(unsigned index) {
    auto& peer = streams_[index];
    peer.fd = connect(index);
    // Register the socket after connect(), because epoll reports EPOLLHUP for a socket that is not connecting.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u32 = index;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.fd, &event) < 0) throw_errno("epoll_ctl");
    begin(index);
    flush(index);  // over loopback the connection is established already, if the server listens
}

int clients::connect(unsigned index) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw_errno("socket");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Lets connect() select the port: connect() knows the remote address, and reserves the port for this server only.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    // close() resets the connection. There is no TIME_WAIT, so ports do not run out, and one run does not slow down the
    // next.
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);

    // SAFETY (both casts): the socket API takes a sockaddr_in as a sockaddr, and reads it during the call only.
    const auto from = loopback(1 + index / connections_per_address, 0);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0) throw_errno("bind");
    const auto to = loopback(0, port_);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS)
        lost(index, errno);
    return fd;
}

void clients::open_all(unsigned count) {
    unsigned next = 0, ready = 0;
    while (next < std::min(openings, count)) open(next++);
    const auto one_is_ready = [&](unsigned) {
        ++ready;
        if (next < count) open(next++);
    };
    while (ready < count) turn(one_is_ready);
}

void clients::close(unsigned index) {
    ::close(streams_[index].fd);
    streams_[index].fd = -1;
}

// ---- Turns ----

void clients::turn(const on_answer& answered) { serve_events(static_cast<int>(stall / 1'000'000), answered); }

void clients::look(const on_answer& answered) { serve_events(0, answered); }

void clients::drain(const on_answer& answered) {
    while (in_flight_ > 0) turn(answered);
}

void clients::serve_events(int timeout_ms, const on_answer& answered) {
    std::array<epoll_event, events_per_tick> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
    if (count == 0 && in_flight_ > 0 && now() - time_ >= stall)
        throw failure("no answer for " + std::to_string(stall / 1'000'000'000) + " s, " + std::to_string(in_flight_) +
                      " requests are in flight");
    for (int i = 0; i < count; ++i) {
        const unsigned index = events[i].data.u32;
        if ((events[i].events & EPOLLIN) != 0) receive(index, answered);
        if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) lost(index, 0);
        flush(index);
    }
}

void clients::receive(unsigned index, const on_answer& answered) {
    for (;;) {
        const auto received = ::recv(streams_[index].fd, buffer_.get(), receive_size, 0);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) lost(index, received < 0 ? errno : 0);
        time_ = now();
        const auto size = static_cast<std::size_t>(received);
        check(index, std::span(buffer_.get(), size), answered);
        if (size < receive_size) return;  // the socket is empty
    }
}

void clients::check(unsigned index, std::span<const std::byte> bytes, const on_answer& answered) {
    auto& peer = streams_[index];
    while (!bytes.empty()) {
        if (peer.answered == peer.begun) throw failure(name_of(index) + ": more bytes than requested");
        const auto offset = peer.received - peer.answered * answer_size_;
        const auto size = std::min<std::size_t>(bytes.size(), answer_size_ - offset);
        if (!messages_->is_answer(index, peer.answered, offset, bytes.first(size)))
            throw failure(name_of(index) + ", answer " + std::to_string(peer.answered) + ": a wrong byte");
        peer.received += size;
        bytes = bytes.subspan(size);
        if (offset + size < answer_size_) return;
        ++peer.answered;
        --in_flight_;
        answered(index);
    }
}

// ---- Sending ----

void clients::begin(unsigned index) {
    ++streams_[index].begun;
    ++in_flight_;
}

unsigned clients::in_flight(unsigned index) const noexcept {
    return static_cast<unsigned>(streams_[index].begun - streams_[index].answered);
}

void clients::flush(unsigned index) {
    auto& peer = streams_[index];
    if (peer.sent == peer.begun * request_size_) return;
    std::array<iovec, most_depth> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = gather(index, parts);
    // One part is the common case, for which send() is cheaper.
    const auto sent = message.msg_iovlen == 1 ? ::send(peer.fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                                              : ::sendmsg(peer.fd, &message, MSG_NOSIGNAL);
    if (sent >= 0)
        peer.sent += static_cast<std::uint64_t>(sent);
    else if (errno != EAGAIN)
        lost(index, errno);
}

std::size_t clients::gather(unsigned index, std::span<iovec> parts) const {
    const auto& peer = streams_[index];
    auto sequence = peer.sent / request_size_;
    auto offset = peer.sent % request_size_;
    std::size_t count = 0;
    for (; sequence < peer.begun; ++sequence, offset = 0) {
        // SAFETY: iovec has no const; sendmsg() only reads.
        auto* text = const_cast<std::byte*>(messages_->request(index, sequence));
        parts[count++] = {text + offset, request_size_ - offset};
    }
    return count;
}

/// Throws a failure for a lost connection. `error` is the errno of a call, or 0 after an event or the end of the
/// stream; then the socket's SO_ERROR is used.
void clients::lost(unsigned index, int error) const {
    if (error == 0) {
        socklen_t size = sizeof error;
        ::getsockopt(streams_[index].fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    throw failure(name_of(index) + " is lost: " + (error != 0 ? std::strerror(error) : "closed by the server"));
}

}  // namespace bench
