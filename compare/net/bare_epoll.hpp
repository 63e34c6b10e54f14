// SPDX-License-Identifier: MIT
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "server_process.hpp"

namespace bench {

// The buffer is larger than the largest message (16 KiB): a message that fills the buffer causes a second recv.
constexpr std::size_t buffer_size = 64UL * 1024;
constexpr std::size_t events_per_tick = 512;
// Connections accepted per epoll_wait. The listener is level-triggered, so further connections are reported again.
constexpr int accepts_per_turn = 64;

/// The part of an answer that the socket did not accept. Almost always empty.
struct unsent {
    std::unique_ptr<std::byte[]> bytes;
    std::uint32_t from = 0;
    std::uint32_t to = 0;

    [[nodiscard]] bool empty() const noexcept { return from == to; }
};

enum class outcome { open, closed };

/// A bare epoll loop per thread, without eddy. `Protocol` makes the answers:
///     std::span<const std::byte> answer(int fd, std::span<const std::byte> received);
///     void forget(int fd);  // the connection was closed
/// answer() returns the bytes to send, which are valid until the next call. They are empty if there is nothing to
/// answer yet.
///
/// The loop is optimized as far as possible:
///   - A connection is registered once, for both directions and edge-triggered. There is no later epoll_ctl.
///   - All connections use one buffer.
///   - A receive that does not fill the buffer has emptied the socket. There is no second receive that returns EAGAIN.
///   - The state of connections is in a table indexed by descriptor, which is allocated before the first client.
/// A request costs one recv, one send, and a share of an epoll_wait. Threads share no data.
///
/// Only epoll_wait handles EINTR: the sockets do not block.
template <class Protocol>
class bare_epoll {
public:
    explicit bare_epoll(int listener);
    [[noreturn]] void run();

private:
    void accept_some();
    void serve(int fd, std::uint32_t events);
    outcome answer_all(int fd, bool until_empty);
    outcome flush(int fd);
    outcome send_or_keep(int fd, std::span<const std::byte> answer);
    void watch(int fd, std::uint32_t events);
    void close(int fd);

    int epoll_;
    int listener_;
    std::vector<unsent> unsent_;  // by descriptor
    Protocol protocol_;
    alignas(64) std::array<std::byte, buffer_size> buffer_;
};

template <class Protocol>
bare_epoll<Protocol>::bare_epoll(int listener)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), listener_(listener), unsent_(::sysconf(_SC_OPEN_MAX)) {
    if (epoll_ < 0) die("epoll_create1");
    watch(listener_, EPOLLIN);
}

template <class Protocol>
void bare_epoll<Protocol>::run() {
    std::array<epoll_event, events_per_tick> events;
    for (;;) {
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            // A descriptor that was closed in this batch does not occur in it again: epoll_wait reports each descriptor
            // once, and accept_some() registers a reused number for the next epoll_wait only.
            if (fd == listener_)
                accept_some();
            else
                serve(fd, events[i].events);
        }
    }
}

template <class Protocol>
void bare_epoll<Protocol>::accept_some() {
    for (int i = 0; i < accepts_per_turn; ++i) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED) return;
            die("accept4");  // probably out of descriptors, which invalidates the run
        }
        if (static_cast<std::size_t>(fd) >= unsent_.size()) {
            ::close(fd);
            continue;
        }
        // EPOLLPRI: a receive stops at urgent data, so a short receive would not mean that the socket is empty.
        watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
    }
}

template <class Protocol>
void bare_epoll<Protocol>::serve(int fd, std::uint32_t events) {
    const bool was_stuck = !unsent_[fd].empty();
    if (was_stuck) {
        if (flush(fd) == outcome::closed) return close(fd);
        // Nothing is received while an answer is unsent, which is the backpressure for this client.
        if (!unsent_[fd].empty()) return;
    }
    // After one of these events there may be no further edge, and edges that occurred while an answer was unsent are
    // lost. A short receive then does not guarantee another event, so receive until the socket is empty.
    const bool until_empty = was_stuck || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
    if (!until_empty && (events & EPOLLIN) == 0) return;
    if (answer_all(fd, until_empty) == outcome::closed) close(fd);
}

/// Answers all data in the socket. There is no limit: a client that sends continuously keeps the loop busy until its
/// answers no longer fit into the socket.
template <class Protocol>
outcome bare_epoll<Protocol>::answer_all(int fd, bool until_empty) {
    for (;;) {
        const auto received = ::recv(fd, buffer_.data(), buffer_.size(), 0);
        if (received > 0) {
            const auto size = static_cast<std::size_t>(received);
            const auto reply = protocol_.answer(fd, std::span(buffer_).first(size));
            if (!reply.empty() && send_or_keep(fd, reply) == outcome::closed) return outcome::closed;
            if (!unsent_[fd].empty()) return outcome::open;
            if (size < buffer_.size() && !until_empty) return outcome::open;
        } else if (received == 0) {
            return outcome::closed;
        } else {
            return errno == EAGAIN ? outcome::open : outcome::closed;
        }
    }
}

template <class Protocol>
outcome bare_epoll<Protocol>::flush(int fd) {
    auto& rest = unsent_[fd];
    const auto sent = ::send(fd, rest.bytes.get() + rest.from, rest.to - rest.from, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? outcome::open : outcome::closed;
    rest.from += static_cast<std::uint32_t>(sent);
    return outcome::open;
}

/// Sends `answer`, and keeps the part that the socket does not accept until EPOLLOUT. EPOLLOUT follows a partial send
/// and EAGAIN (epoll(7), question 9). Precondition: there is no unsent data.
template <class Protocol>
outcome bare_epoll<Protocol>::send_or_keep(int fd, std::span<const std::byte> answer) {
    const auto sent = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    if (sent == std::ssize(answer)) [[likely]]
        return outcome::open;
    if (sent < 0 && errno != EAGAIN) return outcome::closed;

    const auto left = answer.subspan(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    auto& rest = unsent_[fd];
    rest.bytes = std::make_unique_for_overwrite<std::byte[]>(left.size());
    std::memcpy(rest.bytes.get(), left.data(), left.size());
    rest.from = 0;
    rest.to = static_cast<std::uint32_t>(left.size());
    return outcome::open;
}

template <class Protocol>
void bare_epoll<Protocol>::watch(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

template <class Protocol>
void bare_epoll<Protocol>::close(int fd) {
    unsent_[fd] = {};
    protocol_.forget(fd);
    ::close(fd);
}

}  // namespace bench
