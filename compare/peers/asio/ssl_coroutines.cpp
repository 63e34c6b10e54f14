// SPDX-License-Identifier: MIT

// The echo server of the group `tls` with Boost.Asio's ssl::stream, with C++20 coroutines.
//
//     $ bench_peer_asio_ssl --port 7000 --threads 1
//
// Threads and executors are the same as in asio_coroutines.cpp.

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "net/server_process.hpp"
#include "net/tls_certificate.hpp"

namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;
using task = asio::awaitable<void, executor>;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<executor>());

task echo(tcp_socket tcp, ssl::context& context) {
    ssl::stream<tcp_socket> client(std::move(tcp), context);
    const auto [handshake_error] = co_await client.async_handshake(ssl::stream_base::server, as_result);
    if (handshake_error) co_return;
    std::array<std::byte, 16 * 1024> buffer;
    for (;;) {
        const auto [read_error, size] = co_await client.async_read_some(asio::buffer(buffer), as_result);
        if (read_error) co_return;
        const auto [write_error, written] = co_await asio::async_write(client, asio::buffer(buffer, size), as_result);
        if (write_error) co_return;
    }
}

task serve(tcp_acceptor& acceptor, ssl::context& context) {
    for (;;) {
        auto [error, client] = co_await acceptor.async_accept(as_result);
        if (!error) asio::co_spawn(acceptor.get_executor(), echo(std::move(client), context), asio::detached);
    }
}

class echo_server {
public:
    explicit echo_server(int listener) : acceptor_(context_, tcp::v4(), listener) {
        const auto own = bench::make_certificate();
        ssl_.use_certificate(asio::buffer(own.certificate), ssl::context::pem);
        ssl_.use_private_key(asio::buffer(own.key), ssl::context::pem);
        SSL_CTX_set_mode(ssl_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(ssl_.native_handle(), SSL_SESS_CACHE_OFF);
    }

    void run() {
        asio::co_spawn(context_, serve(acceptor_, ssl_), asio::detached);
        context_.run();
    }

private:
    asio::io_context context_{1};
    ssl::context ssl_{ssl::context::tls_server};
    tcp_acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<echo_server>(argc, argv); }
