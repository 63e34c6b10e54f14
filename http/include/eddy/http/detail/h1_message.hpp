// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>

// The parts of http::h1::engine: the end of a head, its contents, the body.

namespace eddy::detail {

/// The way in which the body of a message is delimited.
struct body_framing {
    enum class kind : unsigned char { none, length, chunked, until_end };

    kind is = kind::none;
    std::uint64_t length = 0;  // if `is` is length

    body_framing() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    body_framing(kind which, std::uint64_t size) noexcept : is(which), length(size) {}
};

/// Finds the end of a head in a window that grows.
///
///     incomplete: read more, and scan() again with a window that begins with the same bytes
///     complete:   begin() and end() delimit the head, which ends with an empty line
///     malformed:  a line does not end with CR LF, or the first byte cannot begin a message
///     line_too_long, too_large:  the first line, or the whole head, exceeds the limit
class head_scanner {
public:
    enum class [[nodiscard]] outcome : unsigned char { incomplete, complete, malformed, line_too_long, too_large };

    outcome scan(std::string_view window, std::size_t limit) noexcept;
    /// Returns whether scan() was not called, or has found nothing yet.
    [[nodiscard]] bool is_new() const noexcept { return seen_ == 0 && line_ == 0; }
    [[nodiscard]] std::size_t begin() const noexcept { return begin_; }
    [[nodiscard]] std::size_t end() const noexcept { return line_; }

private:
    std::size_t begin_ = 0;  // the start of the message, after an empty line that may precede it
    std::size_t line_ = 0;   // the start of the line whose end was not found yet
    std::size_t seen_ = 0;   // the bytes from line_ to here contain no LF
    bool has_line_ = false;  // the first line has ended
};

/// The properties of a message that follow from its head.
struct message_head {
    body_framing framing;
    bool keeps_alive = true;  // the connection may be used for another message

    message_head() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};
/// The head of a request. It is the request itself, without a body, so that nothing is moved when the head is complete.
/// The target is in origin form, or "*".
struct request_head : http::request, message_head {
    bool expects_continue = false;
    bool asks_for_upgrade = false;  // it has the field Upgrade, and "Connection: Upgrade"
    std::size_t size = 0;           // of the head, in bytes

    request_head() noexcept : request(empty_target()) {}
};
struct response_head : message_head {
    http::version version = http::version::http_1_1;
    http::headers headers;
    int status = 0;

    response_head() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Extracts the data of a body from the received bytes, in windows of any size, and the trailer fields.
///
/// Chunk extensions are ignored, as RFC 9112, section 7.1.1, demands. They end at the CR LF of the line, and a quoted
/// value does not extend beyond it. Implementations that end them at another byte, for example at a bare LF, see other
/// chunks. So extensions with control bytes, or with a quote that does not end, are refused.
///
///     size ──digit──> size ... ──CR──> size_lf ──LF──> data ──> data_cr ──CR──> data_lf ──LF──> size
///                                        │ size is 0                                           (next chunk)
///                                        └──> trailer ──CR──> end_lf ──LF──> finished
///                                                │ a token
///                                                └──> name ──":"──> value ──CR──> value_lf ──LF──> trailer
/// An extension is skipped between `size` and `size_lf`. In a response, a line that begins with white space continues
/// the trailer field before it.
class body_decoder {
public:
    /// The result of next().
    struct step {
        std::size_t consumed;   // number of consumed bytes of the window, including the data
        std::string_view data;  // the last of the consumed bytes; empty if they contain no data

        step(std::size_t count, std::string_view part) noexcept : consumed(count), data(part) {}
    };

    /// The kind of message. A response may also have spaces after the size of a chunk, which some servers send, and
    /// folded trailer fields.
    enum class message : unsigned char { request, response };

    /// No body.
    body_decoder() noexcept = default;
    /// Decodes a body of at most `limit` bytes.
    body_decoder(const body_framing& framing, std::uint64_t limit, message = message::request) noexcept;

    /// Consumes bytes up to the end of the next part of the data. That part has at most `most` bytes.
    /// Errors: bad_message, body_too_large. Do not use the decoder after an error.
    [[nodiscard]] std::expected<step, http::errc> next(std::string_view window, std::size_t most);
    /// Handles the end of the connection. Returns whether the body is complete then.
    [[nodiscard]] bool end_of_stream() noexcept;

    [[nodiscard]] bool is_finished() const noexcept { return state_ == state::finished; }
    /// Returns whether all data has been received, but not the end of the trailer section.
    [[nodiscard]] bool is_in_trailers() const noexcept { return state_ >= state::trailer && state_ <= state::end_lf; }
    /// Returns how many bytes of the body, or of the current chunk, have not been consumed.
    [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
    /// Returns how many bytes of the body have not been consumed, or nullopt if only its end tells that.
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept {
        if (is_finished()) return 0;
        return state_ == state::data && !is_chunked_ ? std::optional(left_) : std::nullopt;
    }
    /// Returns the trailer fields that are permitted: see may_be_trailer(). Empty before the end of the body.
    [[nodiscard]] http::headers trailers() const;

private:
    enum class state : unsigned char {
        size_first,
        size,
        size_space,
        extension,
        quoted,
        escaped,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer,
        name,
        value,
        value_lf,
        fold,
        end_lf,
        until_end,
        finished
    };

    [[nodiscard]] bool take(char c);
    [[nodiscard]] bool take_size(char c) noexcept;
    [[nodiscard]] bool take_extension(char c) noexcept;
    [[nodiscard]] bool begin_chunk() noexcept;
    [[nodiscard]] bool count_trailer() noexcept;
    [[nodiscard]] bool keep_trailer(char c);
    [[nodiscard]] bool begin_trailer(char c);

    std::uint64_t left_ = 0;             // remaining bytes of the chunk, or of the body
    std::uint64_t limit_ = 0;            // number of further bytes that are permitted, if the body has no length
    std::string trailers_;               // a line for each trailer field, ended by LF
    std::uint16_t trailer_bytes_ = 0;    // received ones, without the ends of lines
    std::uint16_t extension_bytes_ = 0;  // of the current chunk
    std::uint32_t excess_ = 0;           // of the bytes of the former extensions over those of the data
    unsigned char size_digits_ = 0;
    bool is_chunked_ = false;
    bool is_too_large_ = false;
    bool is_response_ = false;
    state state_ = state::finished;
};

}  // namespace eddy::detail
