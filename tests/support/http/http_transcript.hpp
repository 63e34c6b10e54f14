// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/http/h1.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

// Functions that feed bytes to the engines of HTTP/1.1 in pieces, and describe the received messages as text.

namespace support {

namespace h1 = eddy::http::h1;

/// Limits with a body of at most 1,000 bytes.
inline h1::limits http_limits() {
    h1::limits all;
    all.body_bytes = 1000;
    return all;
}

/// Receives bytes in pieces of `step` bytes, as a connection does.
class http_pieces {
public:
    http_pieces(std::string_view all, std::size_t step) noexcept : all_(all), step_(step) {}

    std::string_view window() const noexcept { return all_.substr(begin_, end_ - begin_); }
    bool receive() noexcept {
        if (end_ == all_.size()) return false;
        end_ += std::min(step_, all_.size() - end_);
        return true;
    }
    /// Returns the next event of an engine: `incomplete` at the end of the bytes.
    template <class Engine>
    h1::engine::event next(Engine& engine) {
        constexpr std::size_t most = 7;
        for (;;) {
            auto input = window();
            const auto found = engine.receive(input, most);
            begin_ = end_ - input.size();
            if (found != h1::engine::event::incomplete || !receive()) return found;
        }
    }

private:
    std::string_view all_;
    std::size_t step_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Appends the body in quotes. Returns whether it is complete.
template <class Engine>
bool append_body(std::string& to, http_pieces& from, Engine& engine) {
    using event = h1::engine::event;
    to += '"';
    auto found = from.next(engine);
    for (; found == event::data; found = from.next(engine)) to += engine.data();
    if (found == event::failed) to += engine.failure() == eddy::http::errc::body_too_large ? " 413" : " 400";
    if (found == event::incomplete && engine.end_of_input() == event::end) found = event::end;
    if (found == event::incomplete) to += "...";
    if (found != event::end) return false;
    to += '"';
    return true;
}

/// Returns a description of the requests in `all`: each as `GET /path 1.1 "body"`, followed by " close" or " continue"
/// if the request asks for it. The description ends with the status code if a request is refused, and with "..." if the
/// last request is incomplete.
inline std::string requests_in(std::string_view all, std::size_t step, const h1::limits& limits = http_limits()) {
    using event = h1::engine::event;
    std::string text;
    http_pieces from(all, step);
    while (!from.window().empty() || from.receive()) {
        if (!text.empty()) text += " | ";
        h1::server_engine engine(limits);
        const auto found = from.next(engine);
        if (found == event::incomplete) return text + "...";
        if (found == event::failed) return text + std::to_string(eddy::http::to_int(engine.refusal()));
        const auto& asked = engine.request();
        text.append(eddy::http::to_string(asked.method)).append(" ").append(asked.target);
        text += asked.version == eddy::http::version::http_1_1 ? " 1.1 " : " 1.0 ";
        if (!append_body(text, from, engine)) return text;
        if (!engine.keeps_alive()) text += " close";
        if (engine.expects_continue()) text += " continue";
    }
    return text;
}

/// Returns a description of the response in `all` to a request with the method `what`: `200 "body"`, with the values
/// of fields "X" in brackets before the body. The trailer fields follow, and " close" if the connection cannot be used
/// again. Returns "refused" if the head of the response is not valid, and
/// "..." if the head is incomplete.
inline std::string response_in(std::string_view all, std::size_t step,
                               eddy::http::method what = eddy::http::method::get) {
    using event = h1::engine::event;
    http_pieces from(all, step);
    h1::client_engine engine(http_limits());
    std::string asked;
    engine.write_head(asked, eddy::http::request(what), "a");
    const auto found = from.next(engine);
    if (found == event::incomplete) return "...";
    if (found == event::failed) return "refused";
    const auto answer = engine.take_response();
    std::string text = std::to_string(eddy::http::to_int(answer.status)) + ' ';
    for (const auto& [name, value] : answer.headers)  // the values of fields "X" are shown
        if (name == "X") text.append("[").append(value).append("] ");
    if (!append_body(text, from, engine)) return text;
    for (const auto& [name, value] : engine.trailers()) text.append(" ").append(name).append("=").append(value);
    if (!engine.keeps_alive()) text += " close";
    return text;
}

}  // namespace support
