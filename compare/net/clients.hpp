// SPDX-License-Identifier: MIT
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "clock.hpp"
#include "messages.hpp"

namespace bench {

/// Clients of a server, on one thread and one epoll loop. They connect, send requests, and compare every byte of
/// the answers. The modes of load (modes.hpp) decide when a client sends.
///
/// They must be at least as fast as the servers, so they use the same techniques as bare_epoll.hpp.
class clients {
public:
    /// A callback for each complete answer, with the index of the client. The callback may call begin() and close().
    using on_answer = std::function<void(unsigned client)>;

    static constexpr std::size_t most_depth = 64;

    clients(std::uint16_t port, std::unique_ptr<const messages> exchanged, unsigned most);

    /// Starts to connect and to send a first request. A connection counts as open when this request was answered.
    void open(unsigned client);
    /// Opens clients 0 to `count` - 1, a limited number at a time. Returns when each client has received one answer.
    void open_all(unsigned count);
    /// Closes the connection of a client. Precondition: the client has no request in flight.
    void close(unsigned client);

    /// Adds a request of this client. Call flush() afterwards, except in `on_answer` for the same client: there, turn()
    /// sends all added requests in one call.
    void begin(unsigned client);
    /// Sends the added requests. The part that the socket does not accept is sent at its next EPOLLOUT.
    void flush(unsigned client);

    /// Waits for events and processes them. Throws failure if a request is in flight and nothing arrives for 10 s.
    void turn(const on_answer& answered);
    /// Processes pending events without waiting.
    void look(const on_answer& answered);
    /// Processes events until no request is in flight.
    void drain(const on_answer& answered);

    [[nodiscard]] unsigned in_flight(unsigned client) const noexcept;
    /// The number of answers to this client, including the first one after each open().
    [[nodiscard]] std::uint64_t answered(unsigned client) const noexcept { return streams_[client].answered; }
    /// The time of the last receive.
    [[nodiscard]] nanoseconds time() const noexcept { return time_; }
    /// The epoll descriptor, which is readable if there are events.
    [[nodiscard]] int epoll() const noexcept { return epoll_; }

private:
    /// A client sends and receives endless streams of messages of the same size, so its state consists of the positions
    /// in both streams. A client that is opened again continues its stream.
    struct stream {
        int fd = -1;
        std::uint64_t begun = 0;     // messages, including those not sent yet
        std::uint64_t answered = 0;  // messages; begun - answered are in flight
        std::uint64_t sent = 0;      // bytes
        std::uint64_t received = 0;  // bytes
    };

    [[nodiscard]] int connect(unsigned index) const;
    void serve_events(int timeout_ms, const on_answer& answered);
    void receive(unsigned index, const on_answer& answered);
    void check(unsigned index, std::span<const std::byte> bytes, const on_answer& answered);
    std::size_t gather(unsigned index, std::span<iovec> parts) const;
    [[noreturn]] void lost(unsigned index, int error) const;

    std::uint16_t port_;
    std::unique_ptr<const messages> messages_;
    const std::size_t request_size_;
    const std::size_t answer_size_;
    int epoll_;
    std::vector<stream> streams_;
    std::unique_ptr<std::byte[]> buffer_;
    std::uint64_t in_flight_ = 0;  // requests of all clients
    nanoseconds time_;
};

}  // namespace bench
