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
#include "pattern.hpp"

namespace bench {

/// What the server did wrong: a wrong byte, a lost connection, silence.
struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Many clients of an echo server, on one thread and one epoll loop. They connect, send what they are told to, and
/// compare every byte of what comes back; when each of them sends is up to who drives them (modes.hpp).
///
/// They have to be at least as fast as any server they measure, hence the same habits as in bare_epoll.cpp.
class clients {
public:
    /// Called with the number of a client each time that an answer to it is complete; it may begin() and close().
    using on_answer = std::function<void(unsigned client)>;

    static constexpr std::size_t most_depth = 64;

    clients(std::uint16_t port, std::size_t message_size, unsigned most);

    /// Begins to connect, and to send a first request: a connection counts when the server has taken and served it.
    void open(unsigned client);
    /// Opens clients 0 to `count` - 1, some at a time, and returns when each was answered once.
    void open_all(unsigned count);
    /// Precondition: no request of it is in flight.
    void close(unsigned client);

    /// One more request of this client. turn() sends it if it is asked for in an answer to the same client, so that
    /// several go out in one call; else flush() has to.
    void begin(unsigned client);
    /// Sends what has begun. What the socket does not take waits for an event: room in it makes one.
    void flush(unsigned client);

    /// Waits for events and serves them. Throws failure if nothing has come for long while a request is in flight.
    void turn(const on_answer& answered);
    /// Serves the events that are there.
    void look(const on_answer& answered);
    /// Returns when no request is in flight any more.
    void drain(const on_answer& answered);

    [[nodiscard]] unsigned in_flight(unsigned client) const noexcept;
    /// How many requests of this client were answered so far, the first one of each opening included.
    [[nodiscard]] std::uint64_t answered(unsigned client) const noexcept { return streams_[client].answered; }
    /// The time of the last receive, which is as fine as it matters.
    [[nodiscard]] nanoseconds time() const noexcept { return time_; }
    /// Readable when there is something to report.
    [[nodiscard]] int epoll() const noexcept { return epoll_; }

private:
    /// What a client sends is an endless stream of messages of the same size, and so is what it receives; the positions
    /// in both say all there is to know. A client that is opened again goes on with its stream.
    struct stream {
        int fd = -1;
        std::uint64_t begun = 0;     // messages, sent or about to be
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
    std::size_t size_;
    pattern pattern_;
    int epoll_;
    std::vector<stream> streams_;
    std::unique_ptr<std::byte[]> buffer_;
    std::uint64_t in_flight_ = 0;  // requests, of all
    nanoseconds time_;
};

}  // namespace bench
