// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/ws/message.hpp>

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

/// Compresses the messages of a connection, in steps. zlib's state exists from the first one on.
///
///     idle ──begin()──> busy ──step() returns true: result()──> busy ──drop()──> idle
class ws_deflater : immovable {  // rest_ refers to message_
public:
    ws_deflater(bool has_takeover, int window_bits) noexcept;
    ~ws_deflater();

    void begin(const ws::message& message);
    [[nodiscard]] bool is_busy() const noexcept { return message_.has_value(); }
    /// Preconditions: is_busy().
    [[nodiscard]] const ws::message& message() const noexcept { return *message_; }
    /// Compresses the next deflate_step bytes, and adds their number to `work`. Returns whether the message is
    /// complete.
    /// Errors: throws std::bad_alloc. Call fail() then.
    [[nodiscard]] bool step(std::size_t& work);
    [[nodiscard]] std::string_view result() const noexcept { return compressed_; }
    void drop() noexcept;
    /// Drops a message that the peer does not get. Later messages will not refer to it.
    void fail() noexcept;

private:
    struct state;
    std::unique_ptr<state> state_;
    const bool has_takeover_;
    const int window_bits_;
    std::optional<ws::message> message_;
    std::string_view rest_;  // of the message
    std::string compressed_;
};

}  // namespace eddy::detail
