// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>

// Compression of messages by zlib (RFC 7692). The two classes hide zlib's header.

namespace eddy::detail {

/// The parameters of permessage-deflate on one side of a connection.
struct deflate_parameters {
    bool has_own_takeover = true;   // compressed messages refer to the previous ones
    bool has_peer_takeover = true;  // the peer's messages refer to its previous ones
    int own_window_bits = 15;       // of the compressor: 9 to 15

    deflate_parameters() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The number of bytes that one step of compression or decompression takes or makes.
inline constexpr std::size_t deflate_step = 64 * 1024;

/// Decompresses the messages of a connection.
/// Errors: throws std::bad_alloc; then nothing is lost, and the call can be repeated.
class ws_inflater : immovable {
public:
    enum class [[nodiscard]] outcome : unsigned char { ok, more, invalid, too_large };

    /// The end of each compressed message. It is not received.
    static constexpr std::string_view message_end = std::string_view("\0\0\xff\xff", 4);

    explicit ws_inflater(bool has_takeover);
    ~ws_inflater();

    /// Decompresses a part of a message, removes it from the front of `from`, and appends the result to `to`. The last
    /// part ends with `message_end`. `more`: deflate_step bytes were appended or removed; call add() again, even if
    /// `from` is empty.
    /// `too_large`: `to` would have more than `limit` bytes. Then no more than one byte above the limit was
    /// decompressed.
    outcome add(std::string_view& from, std::string& to, std::size_t limit);
    /// Prepares for the next message.
    void end_message() noexcept;

private:
    struct state;
    std::unique_ptr<state> state_;
    bool has_takeover_;
};

/// Compresses the messages of a connection.
/// Errors: throws std::bad_alloc. Destroy the object then: the peer would not have the data that later messages refer
/// to.
class ws_deflater : immovable {
public:
    ws_deflater(bool has_takeover, int window_bits);
    ~ws_deflater();

    /// Compresses the next deflate_step bytes of a message, removes them from the front of `from`, and appends the
    /// result to `to`, which must be empty at first. The message is complete when `from` is empty.
    /// Preconditions: `from` is not empty.
    void compress(std::string_view& from, std::string& to);

private:
    struct state;
    std::unique_ptr<state> state_;
    bool has_takeover_;
};

}  // namespace eddy::detail
