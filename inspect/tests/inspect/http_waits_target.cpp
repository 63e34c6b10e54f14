// SPDX-License-Identifier: MIT
// A program whose tasks wait for HTTP, see expected_waits.hpp.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "expected_waits.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
namespace http = eddy::http;

/// Two ends of a connection.
struct ends {
    tcp_stream client;
    tcp_stream server;

    ends(tcp_stream&& one, tcp_stream&& other) : client(std::move(one)), server(std::move(other)) {}
};

task<ends> connect() {
    auto listener = (co_await tcp_listener::bind("127.0.0.1:0")).value();
    auto client = (co_await tcp_stream::connect(*listener.local_addr())).value();
    auto accepted = (co_await listener.accept()).value();
    co_return ends(std::move(client), std::move(accepted.stream));
}

/// A reader that never has data.
task<tcp_stream> silence() {
    auto made = co_await connect();
    keep(std::move(made.server));
    co_return std::move(made.client);
}

task<http::response> nap(http::request) {
    co_await eddy::time::sleep(1h);
    co_return http::response();
}
task<http::response> read(http::request asked) {
    std::array<std::byte, 64> buffer;
    for (;;) static_cast<void>(co_await eddy::io::read(asked.body, buffer));
}
task<http::response> send_much(http::request) {
    co_return http::response(http::status::ok, std::string(64 << 20, 'x'));
}
task<http::response> send_silence(http::request) {
    http::response made;
    auto reader = co_await silence();
    made.body = http::body::from_reader(std::move(reader));
    co_return made;
}

http::serve_options patient() {
    return http::serve_options().header_timeout(1h).io_timeout(1h).min_body_rate(0).body_limit(1 << 30);
}
http::client_options patient_client() { return http::client_options().timeout(1h).io_timeout(1h); }

/// Serves a connection whose client has sent `bytes`.
task<void> serve_http1(const char* shown, http::service app, std::string_view bytes) {
    auto made = co_await connect();
    const auto written = co_await eddy::io::write_all(made.client, std::as_bytes(std::span(bytes)));
    written.value();
    keep(std::move(made.client));
    expect(shown, http::serve_connection(std::move(made.server), app, patient()));
}

task<void> wait_in_http1_servers() {
    const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    co_await serve_http1("waits for the next request of an HTTP client|  data from descriptor N", nap, "");
    co_await serve_http1("waits for the rest of an HTTP request's head|  data from descriptor N", nap, "GET");
    co_await serve_http1("nap|waits for a timer", nap, get);
    co_await serve_http1("read|waits for the body of an HTTP request|  data from descriptor N", read, post);
    co_await serve_http1("waits for the transfer of an HTTP response|  room to write to descriptor N", send_much, get);
    co_await serve_http1("waits for the transfer of an HTTP response|  body:|    data from descriptor N", send_silence,
                         get);
}

/// Sends a request of HTTP/1.1 to a server that does not answer.
task<void> ask_http1(const char* shown, http::body body) {
    auto& listener = keep((co_await tcp_listener::bind("127.0.0.1:0")).value());
    http::request asked(http::method::post);
    asked.body = std::move(body);
    auto& client = make<http::client>(patient_client());
    expect(shown, client.send("http://" + listener.local_addr()->to_string(), std::move(asked)));
}

#define ASKS "waits for the first of 2:|  waits for the response of an HTTP"
#define DEADLINE "|  deadline:|    a timer"

task<void> wait_in_http1_clients() {
    co_await ask_http1(ASKS " server|    data from descriptor N" DEADLINE, "short");
    co_await ask_http1(ASKS
                       " server|    request:|      room to write to descriptor N|    data from descriptor N" DEADLINE,
                       std::string(64 << 20, 'x'));
    auto reader = co_await silence();
    co_await ask_http1(ASKS " server|    request:|      data from descriptor N|    data from descriptor N" DEADLINE,
                       http::body::from_reader(std::move(reader)));
}

/// Sends a request, and keeps the response.
task<void> ask(http::client& client, std::string where, http::request asked) {
    const auto answer = co_await client.send(where, std::move(asked));
    co_await eddy::time::sleep(1h);
}
task<void> ask_and_read(http::client& client, std::string where, http::request asked) {
    auto answer = (co_await client.send(where, std::move(asked))).value();
    std::array<std::byte, 64> buffer;
    for (;;) static_cast<void>(co_await eddy::io::read(answer.body, buffer));
}

/// Serves an HTTP/2 connection, and sends a request. Each call has another place, so no two tasks are one entry.
task<void> serve_http2(const char* on_server, const char* on_client, http::service app, http::body body = {},
                       task<void> (*how)(http::client&, std::string, http::request) = &ask,
                       std::source_location where = std::source_location::current()) {
    auto& listener = keep((co_await tcp_listener::bind("127.0.0.1:0")).value());
    http::request asked(http::method::post);
    asked.body = std::move(body);
    auto& client = make<http::client>(patient_client().http2(true).prior_knowledge(true));
    expect(on_client, how(client, "http://" + listener.local_addr()->to_string(), std::move(asked)), where);
    auto accepted = (co_await listener.accept()).value();
    expect(on_server, http::serve_connection(std::move(accepted.stream), app, patient()), where);
}

task<void> wait_in_http2() {
    co_await serve_http2(
        "waits for the requests of an HTTP/2 connection|  data from descriptor N|  nap|  waits for a timer",
        "ask|" ASKS "/2 server" DEADLINE, nap);
    co_await serve_http2(
        "waits for the requests of an HTTP/2 connection|  data from descriptor N|  nap|  waits for a timer",
        "ask|" ASKS "/2 server|    request:|      room in the window of an HTTP/2 stream" DEADLINE, nap,
        std::string(8 << 20, 'x'));
    auto reader = co_await silence();
    co_await serve_http2(
        "waits for the requests of an HTTP/2 connection|  data from descriptor N|  read|  waits for the body of an "
        "HTTP/2 message",
        "ask|" ASKS "/2 server|    request:|      data from descriptor N" DEADLINE, read,
        http::body::from_reader(std::move(reader)));
    co_await serve_http2(
        "waits for the requests of an HTTP/2 connection|  data from descriptor N|  room in the window of an HTTP/2 "
        "stream",
        "ask|waits for a timer", send_much);
    co_await serve_http2(
        "waits for the requests of an HTTP/2 connection|  data from descriptor N|  the body of an HTTP/2 response|    "
        "data from descriptor N",
        "ask_and_read|waits for the body of an HTTP/2 message", send_silence, {}, &ask_and_read);
}

task<int> run_all() {
    co_await wait_in_http1_servers();
    co_await wait_in_http1_clients();
    co_await wait_in_http2();
    std::puts("ready");
    std::fflush(stdout);
    co_await eddy::time::sleep(1h);
    co_return 0;
}

}  // namespace

int main() {
    eddy::core loop;
    return loop.run(run_all());
}
