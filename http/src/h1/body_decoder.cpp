// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include <eddy/http/detail/h1_body.hpp>

#include "message/fields.hpp"

namespace eddy::detail {

namespace {

// The limits of chunk extensions. Without the second one, a peer could send kilobytes for each byte of data.
constexpr std::uint16_t most_extension_bytes = 4096;  // of one chunk
constexpr std::uint32_t most_excess = 16 * 1024;      // how many more bytes all extensions may have than the data

}  // namespace

body_decoder::body_decoder(const body_framing& framing, std::uint64_t limit, message of) noexcept
    : limit_(limit), is_response_(of == message::response) {
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
    case state::size_space:
    case state::extension:
    case state::quoted:
    case state::escaped: return take_extension(c);
    case state::size_lf: return c == '\n' && begin_chunk();
    case state::data_cr: return expect('\r', state::data_lf);
    case state::data_lf: return expect('\n', state::size_first);
    case state::trailer:
        if (c == '\r') return expect('\r', state::end_lf);
        return begin_trailer(c);
    case state::name:
        if (c == ':') state_ = state::value;
        return (c == ':' || token_characters.contains(c)) && keep_trailer(c);
    case state::value:
        if (c == '\r') return expect('\r', state::value_lf);
        return value_characters.contains(c) && keep_trailer(c);
    case state::value_lf: return keep_trailer('\n') && expect('\n', state::trailer);
    case state::fold:
        if (is_space(c)) return count_trailer();
        trailers_.push_back(' ');
        state_ = state::value;
        return take(c);
    case state::end_lf: return expect('\n', state::finished);
    case state::data:
    case state::until_end:
    case state::finished: break;
    }
    return false;
}

bool body_decoder::count_trailer() noexcept { return ++trailer_bytes_ <= max_trailer_bytes; }

bool body_decoder::keep_trailer(char c) {
    if (!count_trailer()) return false;
    trailers_.push_back(c);
    return true;
}

/// Takes the first character of a line of the trailers.
bool body_decoder::begin_trailer(char c) {
    if (is_response_ && is_space(c) && !trailers_.empty()) {  // RFC 9112, section 5.2
        trailers_.pop_back();
        while (is_space(trailers_.back())) trailers_.pop_back();  // ends at the colon at the latest
        state_ = state::fold;
        return count_trailer();
    }
    state_ = state::name;
    return token_characters.contains(c) && keep_trailer(c);
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
    if (state_ == state::size && (c == ';' || is_space(c))) {
        state_ = c == ';' ? state::extension : state::size_space;
        extension_bytes_ = 1;
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

/// Takes a character of the extensions of a chunk, or of the white space before them.
bool body_decoder::take_extension(char c) noexcept {
    if (c == '\r') {
        const bool ends_here = state_ == state::extension || (state_ == state::size_space && is_response_);
        state_ = state::size_lf;
        return ends_here;
    }
    if (++extension_bytes_ > most_extension_bytes || !value_characters.contains(c)) return false;
    switch (state_) {
    case state::size_space:
        if (c == ';') state_ = state::extension;
        return c == ';' || is_space(c);
    case state::extension:
        if (c == '"') state_ = state::quoted;
        return true;
    case state::escaped: state_ = state::quoted; return true;
    default:
        if (c == '\\') state_ = state::escaped;
        if (c == '"') state_ = state::extension;
        return true;
    }
}

/// Begins the data of a chunk, or the trailers after the last chunk. Returns false if there were too many extensions.
bool body_decoder::begin_chunk() noexcept {
    excess_ += std::exchange(extension_bytes_, std::uint16_t{0});
    excess_ -= static_cast<std::uint32_t>(std::min<std::uint64_t>(excess_, left_));
    if (excess_ > most_excess) return false;
    if (left_ == 0) {
        state_ = state::trailer;
        return true;
    }
    state_ = state::data;
    if (left_ > limit_) {
        is_too_large_ = true;
    } else {
        limit_ -= left_;
    }
    return true;
}

bool body_decoder::end_of_stream() noexcept {
    if (state_ == state::until_end) state_ = state::finished;
    return state_ == state::finished;
}

}  // namespace eddy::detail
