// SPDX-License-Identifier: MIT
// eddy-demo.exe: an echo server on the runtime, and a load client on an event loop that compares every byte, in one
// process.
//     eddy-demo.exe [CONNECTIONS [SECONDS]]
// ./dev cross windows runs it. examples/tcp_echo.cpp and examples/tcp_load.cpp are the larger versions for POSIX
// systems.
#include <eddy/prelude.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <support/byte_pattern.hpp>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// ---- The server ----

eddy::task<void> echo(eddy::net::tcp_stream client) {
    if (!client.set_nodelay(true)) co_return;
    for (;;) {
        const auto data = co_await client.receive();
        if (!data || data->empty()) co_return;
        const auto written = co_await client.write_all(*data);
        if (!written) co_return;
    }
}

eddy::task<void> serve(eddy::net::tcp_listener listener) {
    for (;;) {
        auto client = co_await listener.accept();
        if (client) eddy::spawn(echo(std::move(client->stream)));
    }
}

// ---- The client ----

struct totals {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;

    void fail(unsigned connection, const std::string& what) {
        if (++errors <= 10) std::fprintf(stderr, "connection %u: %s\n", connection, what.c_str());
    }
};

/// Connects to the server.
eddy::task<std::vector<eddy::net::tcp_stream>> connect(eddy::net::socket_addr to, unsigned connections, totals& count) {
    std::vector<eddy::net::tcp_stream> streams;
    for (unsigned i = 0; i != connections; ++i) {
        auto stream = co_await eddy::net::tcp_stream::connect(to);
        if (!stream) {
            count.fail(i, "connect: " + stream.error().message());
        } else {
            static_cast<void>(stream->set_nodelay(true));
            streams.push_back(*std::move(stream));
        }
    }
    co_return streams;
}

/// Sends requests of different sizes until `end`, and compares the responses.
eddy::task<void> talk(eddy::net::tcp_stream stream, unsigned connection, steady::time_point end, totals& count) {
    const support::byte_pattern pattern(connection);
    std::vector<std::byte> response;
    for (std::uint64_t sent = 0, number = 0; number == 0 || steady::now() < end; ++number) {
        const std::size_t size = number % 16 == 15 ? 20'000 : 1 + (number * 97 + connection) % 600;
        const auto request = pattern.make(sent, size);
        response.resize(size);
        const auto done = co_await eddy::try_join(stream.write_all(request), stream.read_exact(response));
        if (!done) co_return count.fail(connection, done.error().message());
        if (!std::ranges::equal(request, response)) co_return count.fail(connection, "the response differs");
        sent += size;
        count.bytes += size;
        ++count.requests;
    }
}

/// Runs all connections for some time. Returns how long they took.
eddy::task<std::chrono::duration<double>> load(eddy::net::socket_addr to, unsigned connections,
                                               std::chrono::seconds limit, totals& count) {
    auto streams = co_await connect(to, connections, count);
    const auto begin = steady::now();
    std::vector<eddy::join_handle<void>> talks;
    for (unsigned i = 0; i != streams.size(); ++i) {
        talks.push_back(eddy::spawn(talk(std::move(streams[i]), i, begin + limit, count)));
    }
    for (unsigned i = 0; i != talks.size(); ++i) {
        const auto ended = co_await eddy::time::timeout(120s, std::move(talks[i]));
        if (!ended || !*ended) count.fail(i, "has not ended");
    }
    co_return steady::now() - begin;
}

}  // namespace

int main(int argc, char** argv) {
    const auto connections = static_cast<unsigned>(argc > 1 ? std::atoi(argv[1]) : 200);
    const auto seconds = std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 5);
    eddy::runtime server;
    auto listener = server.block_on(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    if (!listener) {
        std::fprintf(stderr, "bind: %s\n", listener.error().message().c_str());
        return 1;
    }
    const auto to = listener->local_addr().value();
    server.spawn(serve(*std::move(listener))).detach();

    totals count;
    eddy::core client;
    const auto took = client.run(load(to, connections, seconds, count));
    std::printf("driver %s, %u connections, %.1f s, %llu requests, %llu bytes compared, %llu errors\n",
                std::string(client.why_driver()).c_str(), connections, took.count(),
                static_cast<unsigned long long>(count.requests), static_cast<unsigned long long>(count.bytes),
                static_cast<unsigned long long>(count.errors));
    return count.errors == 0 && count.requests >= connections ? 0 : 1;
}
