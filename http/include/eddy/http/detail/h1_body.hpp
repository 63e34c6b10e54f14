// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/detail/h1_head.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::detail {

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
    std::uint32_t excess_ = 0;           // how many more bytes the former extensions have than the data
    unsigned char size_digits_ = 0;
    bool is_chunked_ = false;
    bool is_too_large_ = false;
    bool is_response_ = false;
    state state_ = state::finished;
};

}  // namespace eddy::detail
