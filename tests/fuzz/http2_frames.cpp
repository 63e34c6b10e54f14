// SPDX-License-Identifier: MIT
#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz/targets.hpp"

namespace fuzz {
namespace {

namespace http = eddy::http;
namespace io = eddy::io;
using eddy::task;

constexpr std::size_t header_limit = 500;
constexpr std::size_t body_limit = 100;

/// Checks what the server has passed to the service, and sends the body back.
task<eddy::result<http::response>> answer(http::request asked) {
    require(asked.target.starts_with('/') || asked.target == "*", "a target is neither a path nor *");
    require(asked.headers.count("Host") == 1, "a request has no Host, or several");
    std::size_t size = 0;
    for (const auto& [name, value] : asked.headers) {
        size += name.size() + value.size();
        for (const char c : value) require(c != '\r' && c != '\n' && c != '\0', "a value has a control character");
    }
    require(size <= header_limit, "the head exceeds its limit");
    auto all = co_await eddy::try_(asked.body.read_all());
    require(all.size() <= body_limit, "a body exceeds its limit");
    if (asked.path() != "/stream") co_return http::response(http::status::ok, std::move(all));
    co_return http::response(http::status::ok, http::body::from_reader(io::cursor(std::string(all.text()))));
}

/// Sends `text` in pieces of `step` bytes, and closes the connection.
task<std::size_t> send(io::duplex_stream& to, std::string_view text, std::size_t step) {
    for (std::size_t at = 0; at < text.size(); at += step) {
        const std::string piece(text.substr(at, step));
        const auto sent = co_await io::write_all(to, piece);
        if (!sent) break;
    }
    static_cast<void>(co_await eddy::poll_fn([&](eddy::context& cx) { return to.poll_shutdown(cx); }));
    co_return text.size();
}

task<std::string> receive(io::duplex_stream& from) {
    std::string all;
    std::array<std::byte, 1024> some{};
    for (;;) {
        const auto count = co_await io::read(from, some);
        if (!count || *count == 0) co_return all;
        all.append(reinterpret_cast<const char*>(some.data()), *count);
    }
}

task<bool> serve(io::duplex_stream stream) {
    const auto options = http::serve_options().header_limit(header_limit).body_limit(body_limit).max_streams(5);
    // An exception of require() propagates to the caller. An error comes from answer(), if it cannot read a body.
    const auto served = co_await http::serve_connection(std::move(stream), answer, options);
    co_return served.has_value();
}

}  // namespace

/// Sends the input to an HTTP/2 server as the frames that follow the client's preface.
void http2_frames(input bytes) {
    decisions from(bytes);
    const std::size_t step = 1 + from.up_to(200);
    const std::string sent = std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").append(from.rest());
    const auto got = eddy::test::run_paused([&]() -> task<std::string> {
        auto [near, far] = io::duplex(4096);
        auto all = eddy::join(serve(std::move(far)), send(near, sent, step), receive(near));
        auto [served, count, text] = co_await all;
        co_return text;
    });
    std::string_view left = got;
    while (left.size() >= 9) {
        const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(left[i])); };
        const auto size = at(0) << 16 | at(1) << 8 | at(2);
        require(at(3) <= 9, "the server has sent a frame of an unknown type");
        require(size <= 16384, "the server has sent a frame that is too large");
        left.remove_prefix(std::min(left.size(), 9 + size));
    }
}

}  // namespace fuzz
