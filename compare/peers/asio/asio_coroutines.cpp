// SPDX-License-Identifier: MIT

// The echo server of the group `net` with Boost.Asio, with C++20 coroutines.
//
//     $ bench_peer_asio_coroutines --port 7000 --threads 1
//
// Threads and executors are the same as in asio_callbacks.cpp. Errors are values, because an exception for each client
// that disconnects would be expensive in CHURN.

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "net/server_process.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;
using task = asio::awaitable<void, executor>;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<executor>());

task echo(tcp_socket client) {
    std::array<std::byte, 32 * 1024> buffer;  // larger than a message: a read that fills it causes another read
    for (;;) {
        const auto [read_error, size] = co_await client.async_read_some(asio::buffer(buffer), as_result);
        if (read_error) co_return;
        const auto [write_error, written] = co_await asio::async_write(client, asio::buffer(buffer, size), as_result);
        if (write_error) co_return;
    }
}

task serve(tcp_acceptor& acceptor) {
    for (;;) {
        auto [error, client] = co_await acceptor.async_accept(as_result);
        if (!error) asio::co_spawn(acceptor.get_executor(), echo(std::move(client)), asio::detached);
    }
}

class echo_server {
public:
    explicit echo_server(int listener) : acceptor_(context_, tcp::v4(), listener) {}

    void run() {
        asio::co_spawn(context_, serve(acceptor_), asio::detached);
        context_.run();
    }

private:
    asio::io_context context_{1};
    tcp_acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<echo_server>(argc, argv); }
