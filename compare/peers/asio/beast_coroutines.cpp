// SPDX-License-Identifier: MIT

// The HTTP server of the group `http` with Boost.Beast, with C++20 coroutines.
//
//     $ bench_peer_beast --port 7000 --threads 1
//
// Threads and executors are the same as in asio_coroutines.cpp.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <string>
#include <utility>

#include "net/server_process.hpp"

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using tcp_socket = asio::basic_stream_socket<tcp, executor>;
using tcp_acceptor = asio::basic_socket_acceptor<tcp, executor>;
using task = asio::awaitable<void, executor>;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<executor>());

const std::string& current_date() {
    static std::time_t second = -1;
    static std::string text;
    if (const auto now = std::time(nullptr); now != second) {
        second = now;
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        char all[32];
        text.assign(all, std::strftime(all, sizeof all, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    }
    return text;
}

task answer(tcp_socket client) {
    boost::beast::flat_buffer buffer;
    for (;;) {
        http::request<http::string_body> asked;
        const auto [read_error, received] = co_await http::async_read(client, buffer, asked, as_result);
        if (read_error) co_return;
        http::response<http::string_body> response(http::status::ok, asked.version());
        response.set(http::field::content_type, "text/plain; charset=utf-8");
        response.set(http::field::date, current_date());
        response.keep_alive(asked.keep_alive());
        response.body() = "Hello, World!";
        response.prepare_payload();
        const auto [write_error, sent] = co_await http::async_write(client, response, as_result);
        if (write_error || !asked.keep_alive()) co_return;
    }
}

task serve(tcp_acceptor& acceptor) {
    for (;;) {
        auto [error, client] = co_await acceptor.async_accept(as_result);
        if (!error) asio::co_spawn(acceptor.get_executor(), answer(std::move(client)), asio::detached);
    }
}

class http_server {
public:
    explicit http_server(int listener) : acceptor_(context_, tcp::v4(), listener) {}

    void run() {
        asio::co_spawn(context_, serve(acceptor_), asio::detached);
        context_.run();
    }

private:
    asio::io_context context_{1};
    tcp_acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<http_server>(argc, argv); }
