// SPDX-License-Identifier: MIT
// Micro-benchmarks of copying between sockets, with a loop of recv(2) and send(2) with the same buffer size as
// baseline.
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <benchmark/benchmark.h>

#include <eddy/prelude.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

namespace io = eddy::io;
using eddy::net::tcp_stream;

// A piece fits into the buffers of the sockets, so that no call waits.
constexpr std::size_t piece = 256 * 1024;

/// Repeats `call` until all of `bytes` is moved. Waits only for data that is in transit in the kernel.
template <class Call>
void move_all(int fd, short event, std::span<std::byte> bytes, Call call) {
    while (!bytes.empty()) {
        const auto count = call(fd, bytes);
        if (count > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(count));
            continue;
        }
        pollfd wanted{.fd = fd, .events = event, .revents = 0};
        if (count == 0 || errno != EAGAIN || ::poll(&wanted, 1, 1000) != 1)
            throw std::runtime_error("a socket of the benchmark makes no progress");
    }
}
void send_all(int fd, std::span<std::byte> bytes) {
    move_all(fd, POLLOUT, bytes, [](int to, auto left) { return ::send(to, left.data(), left.size(), MSG_NOSIGNAL); });
}
void recv_all(int fd, std::span<std::byte> bytes) {
    move_all(fd, POLLIN, bytes, [](int from, auto left) { return ::recv(from, left.data(), left.size(), 0); });
}

std::chrono::nanoseconds processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// Two connections over loopback. Data that is sent into the first one is moved to the second one.
class relay {
public:
    relay() : first_(connected(core_)), second_(connected(core_)) {}

    /// Returns the processor time of `move` for a piece that has been received and fits into the send buffer, so that
    /// no time is spent waiting.
    template <class Move>
    std::chrono::duration<double> time(Move move) {
        send_all(first_.first.native_handle(), bytes_);
        const auto begin = processor_time();
        move(*this);
        const auto end = processor_time();
        recv_all(second_.second.native_handle(), bytes_);
        return end - begin;
    }

    [[nodiscard]] tcp_stream& from() noexcept { return first_.second; }
    [[nodiscard]] tcp_stream& to() noexcept { return second_.first; }
    [[nodiscard]] eddy::core& core() noexcept { return core_; }

private:
    using pair = eddy::joined<tcp_stream, tcp_stream>;

    static eddy::task<eddy::result<pair>> connect() {
        auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:0"));
        auto dialled = tcp_stream::connect(co_await eddy::try_(listener.local_addr()));
        auto both = eddy::try_join(std::move(dialled), listener.accept());
        auto [here, there] = co_await eddy::try_(std::move(both));
        co_return pair(std::move(here), std::move(there.stream));
    }
    static pair connected(eddy::core& core) {
        auto both = core.run(connect()).value();
        const int size = 4 * piece;
        ::setsockopt(both.first.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        ::setsockopt(both.second.native_handle(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        return both;
    }

    eddy::core core_;
    pair first_;
    pair second_;
    std::vector<std::byte> bytes_ = std::vector<std::byte>(piece);
};

template <class Move>
void measure(benchmark::State& state, Move move) {
    relay sockets;
    for (auto _ : state) state.SetIterationTime(sockets.time(move).count());
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * piece));
}

// ns per 256 KiB that are moved from one socket to another, 8 KiB at a time, with system calls only.
void copy_bare(benchmark::State& state) {
    measure(state, [](relay& sockets) {
        std::array<std::byte, io::default_copy_buffer> buffer;
        for (std::size_t moved = 0; moved < piece; moved += buffer.size()) {
            recv_all(sockets.from().native_handle(), buffer);
            send_all(sockets.to().native_handle(), buffer);
        }
    });
}
BENCHMARK(copy_bare)->UseManualTime();

eddy::task<void> copy_by_hand(tcp_stream& from, tcp_stream& to) {
    std::array<std::byte, io::default_copy_buffer> buffer;
    for (std::size_t moved = 0; moved < piece;) {
        const auto count = (co_await from.read(buffer)).value();
        (co_await to.write_all(std::span(buffer).first(count))).value();
        moved += count;
    }
}

// ns per 256 KiB that are moved from one socket to another with read() and write_all().
void copy_loop(benchmark::State& state) {
    measure(state, [](relay& sockets) { sockets.core().run(copy_by_hand(sockets.from(), sockets.to())); });
}
BENCHMARK(copy_loop)->UseManualTime();

// ns per 256 KiB that are moved from one socket to another with io::copy().
void copy_sockets(benchmark::State& state) {
    measure(state, [](relay& sockets) {
        auto from = io::take(std::ref(sockets.from()), piece);
        sockets.core().run(io::copy(from, sockets.to())).value();
    });
}
BENCHMARK(copy_sockets)->UseManualTime();

}  // namespace
