// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/prelude.hpp>

#include "support/byte_pattern.hpp"
#include "support/dice.hpp"
#include "support/net.hpp"
#include "support/poll_once.hpp"

// Two ends of a connection that exchange byte patterns through all operations of a stream, and compare each byte. An
// error or a wrong byte throws an exception.

namespace support {

/// Writes `size` bytes of the pattern, and then ends the stream.
inline eddy::task<void> say(eddy::net::tcp_stream& to, byte_pattern pattern, std::uint64_t size, std::uint64_t seed) {
    dice random(seed);
    const auto check = [](const auto& done, const char* what) {
        if (!done) throw std::runtime_error(std::string(what) + ": " + done.error().message());
    };
    for (std::uint64_t told = 0; told < size;) {
        // Mostly sizes that fit into the send buffer, sometimes much larger ones.
        const std::size_t most = random.one_in(16) ? 100'000 : random.one_in(2) ? 2'000 : 100;
        const auto bytes = pattern.make(told, std::min<std::uint64_t>(random.between(1, most), size - told));
        const std::span<const std::byte> all = bytes;
        switch (random.between(0, 5)) {
        case 0: {
            const auto done = co_await to.write_all(all);
            check(done, "write_all");
            told += all.size();
            break;
        }
        case 1: {
            const std::size_t middle = random.between(0, all.size());
            const std::array<std::span<const std::byte>, 2> parts{all.first(middle), all.subspan(middle)};
            const auto count = co_await to.write_vectored(parts);
            check(count, "write_vectored");
            told += *count;
            break;
        }
        case 2: {
            const auto count = co_await once(to.write(all));
            if (!count) break;
            check(*count, "a write that may be dropped");
            told += **count;
            break;
        }
        case 3: {
            const auto count = to.try_write(all);
            if (!count && count.error() == std::errc::operation_would_block) break;
            check(count, "try_write");
            told += *count;
            break;
        }
        default: {
            const auto count = co_await to.write(all);
            check(count, "write");
            told += *count;
        }
        }
        if (random.one_in(50)) {
            const auto flushed = co_await to.flush();
            check(flushed, "flush");
        }
        if (random.one_in(4)) co_await eddy::yield_now();
        // Sleep for a driver tick, in which the ring sends the send buffer. Without a driver tick between two writes, a
        // write that does not fit into the send buffer goes to the socket immediately.
        if (random.one_in(4)) co_await eddy::time::sleep(std::chrono::microseconds(1));
    }
    const auto ended = co_await to.shutdown();
    check(ended, "shutdown");
}

/// Reads until the end of the stream, which must arrive after `size` bytes of the pattern.
inline eddy::task<void> hear(eddy::net::tcp_stream& from, byte_pattern pattern, std::uint64_t size,
                             std::uint64_t seed) {
    dice random(seed);
    std::uint64_t heard = 0;
    bool is_over = false;
    const auto compare = [&](std::span<const std::byte> got) {
        if (pattern.matches(heard, got) && heard + got.size() <= size) return;
        throw std::runtime_error("wrong data among the " + std::to_string(got.size()) + " bytes at offset " +
                                 std::to_string(heard) + " of " + std::to_string(size));
    };
    const auto take = [&](std::span<const std::byte> got) {
        compare(got);
        heard += got.size();
        if (!got.empty()) return;
        if (heard != size) throw std::runtime_error("unexpected end of the stream after " + std::to_string(heard));
        is_over = true;
    };
    const auto check = [&](const auto& done, const char* what) {
        if (!done) {
            throw std::runtime_error(std::string(what) + ": " + done.error().message() + " after " +
                                     std::to_string(heard));
        }
    };
    std::vector<std::byte> buffer(70'000);
    while (!is_over) {
        const auto into = std::span(buffer).first(random.one_in(8) ? buffer.size() : random.between(1, 1'000));
        switch (random.between(0, 7)) {
        case 0: {
            const auto lease = co_await from.receive();
            check(lease, "receive");
            take(std::span(lease->data(), lease->size()));
            break;
        }
        case 1: {
            const std::size_t middle = random.between(0, into.size());
            const std::array<std::span<std::byte>, 2> parts{into.first(middle), into.subspan(middle)};
            const auto count = co_await from.read_vectored(parts);
            check(count, "read_vectored");
            take(into.first(*count));
            break;
        }
        case 2: {
            const auto count = co_await from.peek(into);
            check(count, "peek");
            compare(into.first(*count));
            break;
        }
        case 3: {
            const auto count = co_await once(from.read(into));
            if (!count) break;
            check(*count, "a read that may be dropped");
            take(into.first(**count));
            break;
        }
        case 4: {
            const auto lease = co_await once(from.receive());
            if (!lease) break;
            check(*lease, "a receive that may be dropped");
            take(std::span((*lease)->data(), (*lease)->size()));
            break;
        }
        case 5: {
            const auto ready = co_await from.readable();
            check(ready, "readable");
            const auto count = from.try_read(into);
            if (!count && count.error() == std::errc::operation_would_block) break;
            check(count, "try_read");
            take(into.first(*count));
            break;
        }
        default: {
            const auto count = co_await from.read(into);
            check(count, "read");
            take(into.first(*count));
        }
        }
        if (random.one_in(4)) co_await eddy::yield_now();
    }
}

/// Writes the pattern `mine` and reads the pattern `theirs` concurrently, each of `size` bytes.
inline eddy::task<void> converse(eddy::net::tcp_stream stream, std::uint64_t mine, std::uint64_t theirs,
                                 std::uint64_t size, std::uint64_t seed) {
    auto both = eddy::join(say(stream, byte_pattern(mine), size, seed * 2 + mine),
                           hear(stream, byte_pattern(theirs), size, seed * 2 + 1 + mine));
    static_cast<void>(co_await both);
}

/// Sends all received bytes back until the stream ends.
inline eddy::task<void> answer(eddy::net::tcp_stream stream) {
    std::array<std::byte, 4096> buffer{};
    for (;;) {
        const auto count = co_await stream.read(buffer);
        if (!count) throw std::runtime_error("answer: " + count.error().message());
        if (*count == 0) co_return;
        const auto done = co_await stream.write_all(std::span(buffer).first(*count));
        if (!done) throw std::runtime_error("answer: " + done.error().message());
    }
}

/// Writes `size` bytes of the pattern, one part at a time, and compares the echoed part before it writes the next one.
/// So each side repeatedly waits for the other.
inline eddy::task<void> ask(eddy::net::tcp_stream stream, byte_pattern pattern, std::uint64_t size,
                            std::uint64_t seed) {
    dice random(seed);
    std::vector<std::byte> got;
    for (std::uint64_t told = 0; told < size;) {
        const std::size_t most = random.one_in(10) ? 60'000 : 600;
        const auto part = pattern.make(told, std::min<std::uint64_t>(random.between(1, most), size - told));
        got.resize(part.size());
        auto both = eddy::join(stream.write_all(part), stream.read_exact(got));
        const auto done = co_await both;
        const auto& [written, read] = done;
        if (!written) throw std::runtime_error("ask: " + written.error().message());
        if (!read) throw std::runtime_error("ask: " + read.error().message());
        if (got != part) throw std::runtime_error("the echoed bytes differ");
        told += part.size();
    }
}

/// Creates the tasks of both ends of a connection. The arguments are the connection's index and its two streams.
using talk_maker = std::function<std::pair<eddy::task<void>, eddy::task<void>>(std::size_t, eddy::net::tcp_stream,
                                                                               eddy::net::tcp_stream)>;

/// Opens `connections` connections to a local listener, runs the two tasks of each connection concurrently, and waits
/// until all tasks have ended.
inline eddy::task<void> on_connections(std::size_t connections, talk_maker talk) {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto to = listener.local_addr().value();
    std::vector<eddy::join_handle<void>> talks;
    for (std::size_t i = 0; i < connections; ++i) {
        auto both = eddy::join(listener.accept(), eddy::net::tcp_stream::connect(to));
        auto made = co_await both;
        auto& [accepted, connected] = made;
        // Without TCP_NODELAY, the kernel's delays (Nagle's algorithm, delayed acknowledgements) would dominate the
        // test's duration.
        accepted.value().stream.set_nodelay(true).value();
        connected.value().set_nodelay(true).value();
        auto tasks = talk(i, std::move(accepted.value().stream), std::move(connected.value()));
        talks.push_back(eddy::spawn(std::move(tasks.first)));
        talks.push_back(eddy::spawn(std::move(tasks.second)));
    }
    for (auto& each : talks) {
        const auto done = co_await each;
        if (!done) done.error().rethrow();
    }
}

/// Both ends of each connection write and read.
inline eddy::task<void> converse_all(std::size_t connections, std::uint64_t size, std::uint64_t seed) {
    return on_connections(connections, [=](std::size_t i, eddy::net::tcp_stream one, eddy::net::tcp_stream other) {
        return std::pair(converse(std::move(one), 2 * i, 2 * i + 1, size, seed),
                         converse(std::move(other), 2 * i + 1, 2 * i, size, seed));
    });
}

/// One end of each connection asks, the other end answers.
inline eddy::task<void> ask_all(std::size_t connections, std::uint64_t size, std::uint64_t seed) {
    return on_connections(connections, [=](std::size_t i, eddy::net::tcp_stream one, eddy::net::tcp_stream other) {
        return std::pair(answer(std::move(one)), ask(std::move(other), byte_pattern(i), size, seed + i));
    });
}

/// Writes to a peer that never writes. So only the completion of a send can wake the event loop.
inline eddy::task<void> write_to_a_peer_that_only_reads(std::uint64_t bytes, std::uint64_t seed) {
    connection pair;
    const byte_pattern pattern(seed);
    bool is_same = false;
    std::jthread peer([&] {
        std::vector<std::byte> got(bytes);
        std::size_t filled = 0;
        while (filled < bytes) {
            // Ends at the end of the stream, or after 10 s without data.
            const auto count = ::recv(pair.peer.fd(), got.data() + filled, bytes - filled, 0);
            if (count <= 0) return;
            filled += static_cast<std::size_t>(count);
        }
        is_same = pattern.matches(0, got);
    });
    dice random(seed);
    for (std::uint64_t told = 0; told < bytes;) {
        const auto part = pattern.make(told, std::min<std::uint64_t>(random.between(1, 900), bytes - told));
        // Each write fits into an empty send buffer, but most writes find it occupied.
        const auto written = co_await pair.stream.write(part);
        if (!written) throw std::runtime_error("write: " + written.error().message());
        told += *written;
        if (!random.one_in(20)) continue;
        const auto flushed = co_await pair.stream.flush();
        if (!flushed) throw std::runtime_error("flush: " + flushed.error().message());
    }
    const auto flushed = co_await pair.stream.flush();
    if (!flushed) throw std::runtime_error("flush: " + flushed.error().message());
    peer.join();
    if (!is_same) throw std::runtime_error("the peer received wrong data");
}

/// Reads from a peer that never reads.
inline eddy::task<void> read_from_a_peer_that_only_writes(std::uint64_t bytes, std::uint64_t seed) {
    connection pair;
    const byte_pattern pattern(seed);
    std::jthread peer([&] {
        dice random(seed);
        for (std::uint64_t told = 0; told < bytes;) {
            const auto part = pattern.make(told, std::min<std::uint64_t>(random.between(1, 5'000), bytes - told));
            pair.peer.send(part);
            told += part.size();
        }
        pair.peer.shutdown();
    });
    co_await hear(pair.stream, pattern, bytes, seed);
}

}  // namespace support
