// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

// A server of eddy::http and a client that sends and receives text, over a connection in memory, on a paused clock.

namespace support {

/// A client that sends and receives text.
class text_client {
public:
    explicit text_client(eddy::io::duplex_stream&& stream) : stream_(std::move(stream)) {}

    eddy::task<bool> send(std::string text) {
        const auto sent = co_await eddy::io::write_all(stream_, text);
        co_return sent.has_value();
    }
    /// Receives text that ends with `end`. If the connection ends earlier, returns the text so far.
    eddy::task<std::string> receive(std::string end) {
        std::string text;
        std::array<std::byte, 1> one{};
        while (!text.ends_with(end)) {
            const auto count = co_await eddy::io::read(stream_, one);
            if (!count || *count == 0) break;
            text += static_cast<char>(one[0]);
        }
        co_return without_date(text);
    }
    /// Receives at most `most` bytes.
    eddy::task<std::string> receive_some(std::size_t most) {
        std::string text(most, ' ');
        const auto count = co_await eddy::io::read(stream_, std::as_writable_bytes(std::span(text)));
        text.resize(count.value_or(0));
        co_return text;
    }
    /// Receives text up to the end of the connection.
    eddy::task<std::string> receive_all() {
        std::string text;
        std::array<std::byte, 4096> some{};
        for (;;) {
            const auto count = co_await eddy::io::read(stream_, some);
            if (!count || *count == 0) break;
            text.append(reinterpret_cast<const char*>(some.data()), *count);
        }
        co_return without_date(text);
    }
    /// Sends all requests, and returns all responses.
    eddy::task<std::string> exchange(std::string requests) {
        // Sends and receives at the same time: the server may send while it receives.
        auto both = eddy::join(send_and_close(std::move(requests)), receive_all());
        auto [is_sent, responses] = co_await both;
        co_return responses;
    }
    eddy::task<void> close() {
        static_cast<void>(co_await eddy::poll_fn([this](eddy::context& cx) { return stream_.poll_shutdown(cx); }));
    }

private:
    eddy::task<bool> send_and_close(std::string text) {
        const bool is_sent = co_await send(std::move(text));
        co_await close();
        co_return is_sent;
    }
    static std::string without_date(std::string text) {
        for (auto at = text.find("Date: "); at != std::string::npos; at = text.find("Date: "))
            text.erase(at, text.find("\r\n", at) + 2 - at);
        return text;
    }

    eddy::io::duplex_stream stream_;
};

template <class Script>
eddy::task<bool> play(text_client one, Script& script) {
    co_await script(one);
    co_await one.close();
    co_return true;
}

/// Serves one connection, while `script(text_client&)` uses its other end. Returns the result of serve_connection().
template <class Script>
eddy::result<void> converse(eddy::http::service app, eddy::http::serve_options options, Script script,
                            std::size_t capacity = 64 * 1024) {
    return eddy::test::run_paused([&]() -> eddy::task<eddy::result<void>> {
        auto [near, far] = eddy::io::duplex(capacity);
        auto both = eddy::join(eddy::http::serve_connection(std::move(far), app, options),
                               play(text_client(std::move(near)), script));
        auto [outcome, has_played] = co_await both;
        EXPECT_TRUE(has_played);
        co_return outcome;
    });
}

/// Sends `requests` together, and returns all responses.
inline std::string answers(eddy::http::service app, std::string requests,
                           eddy::http::serve_options options = eddy::http::serve_options()) {
    std::string responses;
    const auto outcome = converse(std::move(app), std::move(options), [&](text_client& one) -> eddy::task<void> {
        responses = co_await one.exchange(requests);
    });
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
    return responses;
}

/// Answers with the path.
inline eddy::task<eddy::http::response> say_path(eddy::http::request asked) {
    co_return eddy::http::response(eddy::http::status::ok, std::string(asked.path()));
}

/// Answers with the body, after it has received all of it.
inline eddy::task<eddy::result<eddy::http::response>> say_body(eddy::http::request asked) {
    auto text = co_await eddy::try_(asked.body.read_text());
    co_return eddy::http::response(eddy::http::status::ok, std::move(text));
}

/// Answers with the body while it receives it.
inline eddy::task<eddy::http::response> stream_body(eddy::http::request asked) {
    co_return eddy::http::response(eddy::http::status::ok, std::move(asked.body));
}

inline std::string get(std::string path, std::string fields = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
inline std::string post(std::string body, std::string fields = "") {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}
inline std::string ok(std::string body, std::string fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}
inline const std::string close_field = "Connection: close\r\n";

/// Returns the status lines in `responses`, without the version.
inline std::string statuses(const std::string& responses) {
    std::string all;
    for (auto at = responses.find("HTTP/1.1 "); at != std::string::npos; at = responses.find("HTTP/1.1 ", at + 1))
        all.append(all.empty() ? "" : ",").append(responses.substr(at + 9, 3));
    return all;
}

}  // namespace support
