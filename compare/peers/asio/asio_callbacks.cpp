// SPDX-License-Identifier: MIT

// The echo server of the group `net` with Boost.Asio, with callbacks.
//
//     $ bench_peer_asio_callbacks --port 7000 --threads 1
//
// Each thread has its own io_context and listener, and threads share nothing. Asio's tutorial runs one io_context on
// all threads, but then they share a queue with a lock, and one reactor that wakes one thread at a time.
//
// As Asio's documentation recommends for speed, handlers are moved and not type-erased, their memory is recycled by
// Asio, and the sockets have a concrete executor type.

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <utility>

#include "net/server_process.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using error_code = boost::system::error_code;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;

class session : public std::enable_shared_from_this<session> {
public:
    explicit session(tcp_socket socket) : socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, std::size_t size) {
            if (!error) self->write(size);
        });
    }

private:
    void write(std::size_t size) {
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    tcp_socket socket_;
    std::array<std::byte, 32 * 1024> buffer_;  // larger than a message: a read that fills it causes another read
};

class echo_server {
public:
    explicit echo_server(int listener) : acceptor_(context_, tcp::v4(), listener) {}

    void run() {
        accept();
        context_.run();
    }

private:
    void accept() {
        acceptor_.async_accept([this](error_code error, tcp_socket client) {
            if (!error) std::make_shared<session>(std::move(client))->read();
            accept();
        });
    }

    asio::io_context context_{1};
    tcp_acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<echo_server>(argc, argv); }
