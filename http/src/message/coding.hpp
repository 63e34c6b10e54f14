// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/body.hpp>
#include <eddy/result.hpp>

// The codings of bodies (RFC 9110, section 8.4.1): gzip.cpp by zlib, brotli.cpp and zstd.cpp by the libraries of these
// names. A file *_off.cpp replaces each of them without its library.

namespace eddy::detail {

/// What an encoder must write before encode_step::is_done.
enum class encode_goal : unsigned char {
    progress,  // what it chooses: it may keep bytes back
    flush,     // everything that it was given
    end        // and the end of the data
};

/// The result of one call of an encoder.
struct encode_step {
    std::size_t consumed;
    std::size_t written;
    bool is_done;  // all input was consumed, and the goal was reached

    encode_step(std::size_t in, std::size_t out, bool done) noexcept : consumed(in), written(out), is_done(done) {}
};

/// Encodes the bytes of one body.
/// Thread safety: one thread at a time.
class encoder : immovable {
public:
    virtual ~encoder() = default;
    /// Encodes bytes of `from`. Call it again with the rest, and with the same goal, until the step is done.
    /// Errors: std::errc::not_enough_memory.
    [[nodiscard]] virtual result<encode_step> encode(std::span<const std::byte> from, std::span<std::byte> into,
                                                     encode_goal goal) noexcept = 0;
};

/// The result of one call of a decoder.
struct decode_step {
    std::size_t consumed;
    std::size_t written;
    bool has_more;     // there may be more output without further input
    bool is_complete;  // the data may end after the bytes that were consumed

    decode_step(std::size_t in, std::size_t out, bool more, bool complete) noexcept
        : consumed(in), written(out), has_more(more), is_complete(complete) {}
};

/// Decodes the bytes of one body.
/// Thread safety: one thread at a time.
class decoder : immovable {
public:
    virtual ~decoder() = default;
    /// Decodes bytes of `from`. If has_more is set, `from` may be empty in the next call.
    /// Errors: http::errc::bad_message for other data; std::errc::not_enough_memory.
    [[nodiscard]] virtual result<decode_step> decode(std::span<const std::byte> from,
                                                     std::span<std::byte> into) noexcept = 0;
};

/// A coding, and how its encoders and decoders are made. Without its library, the functions are null.
/// Errors: the functions throw std::bad_alloc.
struct body_coding {
    std::string_view name;
    std::string_view former_name;                       // a second name, or empty
    std::size_t (*encoder_memory)(int level) noexcept;  // an upper bound of what an encoder allocates
    std::unique_ptr<encoder> (*make_encoder)(int level);
    std::unique_ptr<decoder> (*make_decoder)();

    [[nodiscard]] bool is_available() const noexcept { return make_encoder != nullptr; }
    [[nodiscard]] bool is_named(std::string_view text) const noexcept;
};

extern const body_coding gzip_coding;
extern const body_coding brotli_coding;
extern const body_coding zstd_coding;

/// All codings.
constexpr std::array<const body_coding*, 3> body_codings = {&zstd_coding, &brotli_coding, &gzip_coding};

/// Returns the coding of this name if it is available, or null.
[[nodiscard]] const body_coding* find_coding(std::string_view name) noexcept;
/// Returns the names of all codings that are available, for Accept-Encoding. It is empty without any.
[[nodiscard]] std::string_view available_codings();

// ---- Bodies in a coding, which must be available ----

/// Returns `content` in encoded form.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::string encoded_text(const body_coding& by, std::string_view content, int level);
/// Returns the source of a body that encodes `from` while it is read. While `from` waits, everything that it has
/// returned can be read and decoded.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> encoding_source(const body_coding& by, http::body from, int level);
/// Returns the source of a body that decodes `from` while it is read. Its reads fail with body_too_large if there are
/// more than `limit` bytes, with body_too_short if `from` ends too early, and with bad_message for other data.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> decoding_source(const body_coding& by, http::body from, std::uint64_t limit);

}  // namespace eddy::detail
