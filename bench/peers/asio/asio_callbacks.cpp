// SPDX-License-Identifier: MIT

// Boost.Asio as a contestant of `./dev bench net`, with callbacks.
//
//     $ bench_peer_asio_callbacks --port 7000 --threads 1
//
// Several threads have an io_context and a listener each, and share nothing. One io_context that they all run is what
// Asio's tutorial shows, but its one queue has a lock, and its one reactor wakes one thread a time.
//
// Handlers are moved along and never type-erased, their memory is Asio's own recycled one, and the sockets know the
// type of their executor: what Asio's documentation advises where speed matters.

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
    std::array<std::byte, 32 * 1024> buffer_;  // larger than a message: one that is filled costs another read
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
