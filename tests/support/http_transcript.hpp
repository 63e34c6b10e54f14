// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "h1/body_decoder.hpp"
#include "h1/head.hpp"

// Functions that feed bytes to the parser of eddy::http in pieces, and describe the parsed messages as text.

namespace support {

struct http_limits {
    eddy::detail::head_limits head;
    std::uint64_t body = 1000;
};

/// Receives bytes in pieces of `step` bytes, as a connection does.
class http_pieces {
public:
    http_pieces(std::string_view all, std::size_t step) noexcept : all_(all), step_(step) {}

    std::string_view window() const noexcept { return all_.substr(begin_, end_ - begin_); }
    void consume(std::size_t count) noexcept { begin_ += count; }
    bool receive() noexcept {
        if (end_ == all_.size()) return false;
        end_ += std::min(step_, all_.size() - end_);
        return true;
    }

private:
    std::string_view all_;
    std::size_t step_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Appends the body in quotes. Returns whether it is complete.
inline bool append_body(std::string& to, http_pieces& from, eddy::detail::body_decoder& decoder, std::size_t most) {
    to += '"';
    for (;;) {
        const auto step = decoder.next(from.window(), most);
        if (!step) {
            to += step.error() == eddy::http::errc::body_too_large ? " 413" : " 400";
            return false;
        }
        to += step->data;
        from.consume(step->consumed);
        if (decoder.is_finished()) break;
        if (!step->data.empty()) continue;
        if (from.receive()) continue;
        if (decoder.end_of_stream()) break;
        to += "...";
        return false;
    }
    to += '"';
    return true;
}

/// Returns a description of the requests in `all`: each as `GET /path 1.1 "body"`, followed by " close" or " continue"
/// if the request asks for it. The description ends with the status code if a request is refused, and with "..." if the
/// last request is incomplete.
inline std::string requests_in(std::string_view all, std::size_t step, const http_limits& limits = {}) {
    using scanner = eddy::detail::head_scanner;
    std::string text;
    http_pieces from(all, step);
    for (;;) {
        if (from.window().empty() && !from.receive()) return text;
        if (!text.empty()) text += " | ";
        scanner scan;
        auto outcome = scan.scan(from.window(), limits.head.bytes);
        while (outcome == scanner::outcome::incomplete) {
            if (!from.receive()) return text + "...";
            outcome = scan.scan(from.window(), limits.head.bytes);
        }
        if (outcome == scanner::outcome::line_too_long) return text + "414";
        if (outcome == scanner::outcome::too_large) return text + "431";
        if (outcome == scanner::outcome::malformed) return text + "400";
        eddy::detail::request_head head;
        const auto bytes = from.window().substr(scan.begin(), scan.end() - scan.begin());
        const auto refused = eddy::detail::parse_request_head(bytes, limits.head, head);
        if (refused != eddy::detail::accepted) return text + std::to_string(eddy::http::to_int(refused));
        from.consume(scan.end());
        text.append(eddy::http::to_string(head.method)).append(" ").append(head.target);
        text += head.version == eddy::http::version::http_1_1 ? " 1.1 " : " 1.0 ";
        eddy::detail::body_decoder decoder(head.framing, limits.body);
        if (!append_body(text, from, decoder, 7)) return text;
        if (!head.keeps_alive) text += " close";
        if (head.expects_continue) text += " continue";
    }
}

/// Returns a description of the response in `all` to a request with the method `asked`: `200 "body"`, with the values
/// of fields "X" in brackets before the body. The trailer fields follow, and " close" if the connection cannot be used
/// again. Returns "refused" if the head of the response is not valid, and
/// "..." if the head is incomplete.
inline std::string response_in(std::string_view all, std::size_t step,
                               eddy::http::method asked = eddy::http::method::get) {
    using scanner = eddy::detail::head_scanner;
    const http_limits limits;
    http_pieces from(all, step);
    scanner scan;
    auto outcome = scan.scan(from.window(), limits.head.bytes);
    while (outcome == scanner::outcome::incomplete) {
        if (!from.receive()) return "...";
        outcome = scan.scan(from.window(), limits.head.bytes);
    }
    if (outcome != scanner::outcome::complete) return "refused";
    eddy::detail::response_head head;
    const auto bytes = from.window().substr(scan.begin(), scan.end() - scan.begin());
    if (!eddy::detail::parse_response_head(bytes, limits.head, asked, head)) return "refused";
    from.consume(scan.end());
    std::string text = std::to_string(head.status) + ' ';
    for (const auto& [name, value] : head.headers)  // the values of fields "X" are shown
        if (name == "X") text.append("[").append(value).append("] ");
    eddy::detail::body_decoder decoder(head.framing, limits.body, eddy::detail::body_decoder::message::response);
    if (!append_body(text, from, decoder, 7)) return text;
    for (const auto& [name, value] : decoder.trailers()) text.append(" ").append(name).append("=").append(value);
    if (!head.keeps_alive) text += " close";
    return text;
}

}  // namespace support
