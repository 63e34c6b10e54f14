// SPDX-License-Identifier: MIT
#include <eddy/http/h1.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/http/error.hpp>

#include "h1/head.hpp"

namespace eddy::http::h1 {

using detail::accepted;
using detail::body_framing;
using detail::head_scanner;
using kind = body_framing::kind;
using outcome = head_scanner::outcome;

namespace {

constexpr unsigned most_interim_responses = 10;

/// Returns the status with which a server refuses a head.
status refusal_of(outcome found) noexcept {
    switch (found) {
    case outcome::line_too_long: return status::uri_too_long;
    case outcome::too_large: return status::request_header_fields_too_large;
    default: break;
    }
    return status::bad_request;
}

errc failure_of(status refusal) noexcept {
    if (refusal == status::content_too_large) return errc::body_too_large;
    const bool is_large = refusal == status::uri_too_long || refusal == status::request_header_fields_too_large;
    return is_large ? errc::header_too_large : errc::bad_message;
}

}  // namespace

// ---- Both sides ----

engine::event engine::fail(errc why) noexcept {
    failure_ = why;
    keeps_alive_ = false;
    return event::failed;
}

std::optional<std::string_view> engine::take_body(std::string_view& input) noexcept {
    const auto size = decoder_.size();
    if (has_failed() || !size || *size > std::min<std::uint64_t>(input.size(), limits_.body_bytes)) return std::nullopt;
    const auto whole = input.substr(0, static_cast<std::size_t>(*size));
    input.remove_prefix(whole.size());
    decoder_ = {};
    return whole;
}

engine::event engine::receive_body(std::string_view& input, std::size_t most) {
    if (decoder_.is_finished()) return event::end;
    const auto step = decoder_.next(input, most);
    if (!step) return fail(step.error());
    input.remove_prefix(step->consumed);
    data_ = step->data;
    if (!data_.empty()) return event::data;
    return decoder_.is_finished() ? event::end : event::incomplete;
}

engine::event engine::end_body() noexcept { return decoder_.end_of_stream() ? event::end : fail(errc::body_too_short); }

headers engine::trailers() const { return decoder_.trailers(); }

void engine::write_chunk(std::string& out, std::string_view data) {
    if (data.empty()) return;  // it would be the last one
    std::array<char, 16> digits{};
    auto* const end = std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16).ptr;
    out.append(digits.data(), end).append("\r\n").append(data).append("\r\n");
}

void engine::write_end(std::string& out, const headers& trailers) {
    if (sent_.is == kind::chunked) {
        out.append("0\r\n");
        for (const auto& [name, value] : trailers) out.append(name).append(": ").append(value).append("\r\n");
        out.append("\r\n");
    }
    sent_ = {};
}

// ---- Servers ----

engine::event server_engine::receive(std::string_view& input, std::size_t most) {
    if (has_failed()) return event::failed;
    if (!has_head_) return receive_head(input);
    const auto found = receive_body(input, most);
    if (found != event::failed) return found;
    return refuse(failure_ == errc::body_too_large ? status::content_too_large : status::bad_request);
}

engine::event server_engine::receive_head(std::string_view& input) {
    // Most heads arrive in one piece, and alone. Then the parser finds the end, and the scanner need not look for it.
    // The headers keep a copy of all these bytes, in one block of the frame pool.
    constexpr std::size_t most_bytes = 1536;
    bool is_scanned =
        !scanner_.is_new() || input.size() > std::min(most_bytes, limits_.head_bytes) || !input.ends_with("\r\n\r\n");
    for (;; is_scanned = true) {
        auto head = input;
        if (is_scanned) {
            const auto found = scanner_.scan(input, limits_.head_bytes);
            if (found == outcome::incomplete) return event::incomplete;
            if (found != outcome::complete) return refuse(refusal_of(found));
            head = input.substr(scanner_.begin(), scanner_.end() - scanner_.begin());
        }
        const auto refused = detail::parse_request_head(head, limits_, head_);
        asked_ = head_.method;
        if (refused == accepted) break;
        if (is_scanned) return refuse(refused);
        head_ = detail::request_head();
    }
    if (head_.framing.length > limits_.body_bytes) return refuse(status::content_too_large);
    input.remove_prefix(scanner_.begin() + head_.size);
    has_head_ = true;
    keeps_alive_ = head_.keeps_alive;
    version_ = head_.version;
    if (head_.framing.is != kind::none) decoder_ = detail::body_decoder(head_.framing, limits_.body_bytes);
    return event::head;
}

engine::event server_engine::refuse(status why) noexcept {
    refusal_ = why;
    return fail(failure_of(why));
}

void server_engine::write_continue(std::string& out) {
    const bool waits = std::exchange(head_.expects_continue, false) && !decoder_.is_finished();
    if (waits) out.append("HTTP/1.1 100 Continue\r\n\r\n");
}

void server_engine::write_head(std::string& out, const response& answer) {
    // Without "100 Continue", the client may or may not send the body after this response.
    if (std::exchange(head_.expects_continue, false) && !decoder_.is_finished()) keeps_alive_ = false;
    detail::response_context context;
    context.asked = asked_;
    context.version = version_;
    context.keeps_alive = keeps_alive_;
    sent_ = detail::write_response_head(out, answer, context);
    if (sent_.is == kind::length && sent_.length == 0) sent_ = {};
    keeps_alive_ = context.keeps_alive;
}

void server_engine::write_switch(std::string& out, const response& answer) {
    keeps_alive_ = false;
    detail::write_switching_head(out, answer);
}

void server_engine::write_refusal(std::string& out, status why, std::string_view note) {
    keeps_alive_ = false;
    std::string text(reason_of(why));
    if (!note.empty()) text.append(": ").append(note);
    const auto answer = response::text(text + '\n', why);
    write_head(out, answer);
    write_data(out, answer.body.in_memory()->text());
    write_end(out);
}

// ---- Clients ----

limits client_engine::usual_limits() noexcept {
    limits of;
    of.headers = 1000;
    of.body_bytes = std::numeric_limits<std::uint64_t>::max();
    return of;
}

void client_engine::write_head(std::string& out, const request& asked, std::string_view authority,
                               bool asks_for_upgrade) {
    asked_ = asked.method;
    may_upgrade_ = asks_for_upgrade;
    keeps_alive_ = !asked.headers.has_token("Connection", "close");
    sent_ = detail::write_request_head(out, asked, authority, asks_for_upgrade);
}

void client_engine::write_connect(std::string& out, std::string_view to, const headers& fields) {
    is_tunnel_ = true;
    keeps_alive_ = false;  // it becomes a tunnel. The body of a refusal is not received
    out.append("CONNECT ").append(to).append(" HTTP/1.1\r\nHost: ").append(to).append("\r\n");
    for (const auto& [name, value] : fields) out.append(name).append(": ").append(value).append("\r\n");
    out.append("\r\n");
}

engine::event client_engine::receive(std::string_view& input, std::size_t most) {
    if (has_failed()) return event::failed;
    return has_head_ ? receive_body(input, most) : receive_head(input);
}

engine::event client_engine::receive_head(std::string_view& input) {
    for (;;) {
        switch (scanner_.scan(input, limits_.head_bytes)) {
        case outcome::incomplete: return detail::may_be_response(input) ? event::incomplete : fail(errc::bad_message);
        case outcome::malformed: return fail(errc::bad_message);
        case outcome::line_too_long:
        case outcome::too_large: return fail(errc::header_too_large);
        case outcome::complete: break;
        }
        const auto text = input.substr(scanner_.begin(), scanner_.end() - scanner_.begin());
        head_ = detail::response_head();
        const bool is_valid = is_tunnel_ ? detail::parse_tunnel_head(text, limits_, head_)
                                         : detail::parse_response_head(text, limits_, asked_, head_);
        if (!is_valid) return fail(errc::bad_message);
        const bool is_switch = head_.status == to_int(status::switching_protocols);
        if (is_switch && !may_upgrade_) return fail(errc::bad_message);
        input.remove_prefix(scanner_.end());
        scanner_ = {};
        if (is_switch || head_.status >= 200) break;
        if (++interim_ > most_interim_responses) return fail(errc::bad_message);
    }
    has_head_ = true;
    keeps_alive_ = keeps_alive_ && head_.keeps_alive;
    decoder_ = detail::body_decoder(head_.framing, limits_.body_bytes, detail::body_decoder::message::response);
    return event::head;
}

response client_engine::take_response() {
    response answer(status{static_cast<std::uint16_t>(head_.status)});
    answer.version = head_.version;
    answer.headers = std::move(head_.headers);
    return answer;
}

}  // namespace eddy::http::h1
