// SPDX-License-Identifier: MIT
#include "http/body_decoder.hpp"

#include <algorithm>

#include "http/characters.hpp"
#include "http/header_access.hpp"
#include "http/trailers.hpp"

namespace eddy::inline v0_1::detail {

body_decoder::body_decoder(const body_framing& framing, std::uint64_t limit, extensions found) noexcept
    : limit_(limit), ignores_extensions_(found == extensions::ignored) {
    switch (framing.is) {
    case body_framing::kind::none: break;
    case body_framing::kind::chunked:
        is_chunked_ = true;
        state_ = state::size_first;
        break;
    case body_framing::kind::until_end: state_ = state::until_end; break;
    case body_framing::kind::length:
        left_ = framing.length;
        is_too_large_ = left_ > limit;
        if (left_ != 0) state_ = state::data;
        break;
    }
}

std::expected<body_decoder::step, http::errc> body_decoder::next(std::string_view window, std::size_t most) {
    std::size_t at = 0;
    while (at < window.size() && state_ != state::finished) {
        if (is_too_large_) return std::unexpected(http::errc::body_too_large);
        if (state_ == state::data || state_ == state::until_end) {
            auto part = window.substr(at, most);
            if (state_ == state::until_end) {
                if (limit_ == 0) return std::unexpected(http::errc::body_too_large);
                part = part.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(limit_, part.size())));
                limit_ -= part.size();
            } else {
                part = part.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, part.size())));
                left_ -= part.size();
                if (left_ == 0) state_ = is_chunked_ ? state::data_cr : state::finished;
            }
            return step(at + part.size(), part);
        }
        if (!take(window[at++])) return std::unexpected(http::errc::bad_message);
    }
    if (is_too_large_) return std::unexpected(http::errc::body_too_large);
    return step(at, {});
}

bool body_decoder::take(char c) {
    const auto expect = [&](char wanted, state then) {
        state_ = then;
        return c == wanted;
    };
    switch (state_) {
    case state::size_first:
    case state::size: return take_size(c);
    case state::extension: return take_extension(c);
    case state::size_lf: begin_chunk(); return c == '\n';
    case state::data_cr: return expect('\r', state::data_lf);
    case state::data_lf: return expect('\n', state::size_first);
    case state::trailer:
        if (c == '\r') return expect('\r', state::end_lf);
        state_ = state::name;
        return token_characters.contains(c) && keep_trailer(c);
    case state::name:
        if (c == ':') state_ = state::value;
        return (c == ':' || token_characters.contains(c)) && keep_trailer(c);
    case state::value:
        if (c == '\r') return expect('\r', state::value_lf);
        return value_characters.contains(c) && keep_trailer(c);
    case state::value_lf: return keep_trailer('\n') && expect('\n', state::trailer);
    case state::end_lf: return expect('\n', state::finished);
    case state::data:
    case state::until_end:
    case state::finished: break;
    }
    return false;
}

bool body_decoder::keep_trailer(char c) {
    if (trailers_.size() == max_trailer_bytes) return false;
    trailers_.push_back(c);
    return true;
}

http::headers body_decoder::trailers() const {
    http::headers all;
    if (!is_finished()) return all;
    for (std::string_view rest = trailers_; !rest.empty();) {
        auto value = take_part(rest, '\n');
        const auto name = take_part(value, ':');
        if (may_be_trailer(name)) header_access::add_checked(all, name, trim(value));
    }
    return all;
}

bool body_decoder::take_size(char c) noexcept {
    if (c == '\r' && state_ == state::size) {
        state_ = state::size_lf;
        return true;
    }
    if (ignores_extensions_ && state_ == state::size && (c == ';' || is_space(c))) {
        state_ = state::extension;
        extension_bytes_ = 0;
        return true;
    }
    const int digit = hex_value(c);
    if (digit < 0) return false;
    if (state_ == state::size_first) {
        state_ = state::size;
        left_ = 0;
        size_digits_ = 0;
    }
    constexpr unsigned char most_digits = 16;
    if (++size_digits_ > most_digits) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return true;
}

bool body_decoder::take_extension(char c) noexcept {
    constexpr std::uint16_t most_bytes = 4096;
    if (c == '\r') {
        state_ = state::size_lf;
        return true;
    }
    return ++extension_bytes_ <= most_bytes && value_characters.contains(c);
}

void body_decoder::begin_chunk() noexcept {
    if (left_ == 0) {
        state_ = state::trailer;
        return;
    }
    state_ = state::data;
    if (left_ > limit_) {
        is_too_large_ = true;
    } else {
        limit_ -= left_;
    }
}

bool body_decoder::end_of_stream() noexcept {
    if (state_ == state::until_end) state_ = state::finished;
    return state_ == state::finished;
}

}  // namespace eddy::detail
