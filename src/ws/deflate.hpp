// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>

// Compression of messages by zlib (RFC 7692). The two classes hide zlib's header.

namespace eddy::inline v0_1::detail {

/// The parameters of permessage-deflate on one side of a connection.
struct deflate_parameters {
    bool has_own_takeover = true;   // compressed messages refer to the previous ones
    bool has_peer_takeover = true;  // the peer's messages refer to its previous ones
    int own_window_bits = 15;       // of the compressor: 9 to 15

    deflate_parameters() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// Decompresses the messages of a connection.
/// Errors: throws std::bad_alloc.
class ws_inflater : immovable {
public:
    enum class [[nodiscard]] outcome : unsigned char { ok, invalid, too_large };

    explicit ws_inflater(bool has_takeover);
    ~ws_inflater();

    /// Decompresses a part of a message and appends the result to `to`. `too_large`: `to` would have more than `limit`
    /// bytes. Then no more than one byte above the limit was decompressed.
    outcome add(std::string_view from, std::string& to, std::size_t limit);
    /// Same as add(), for the end of the message.
    outcome finish(std::string& to, std::size_t limit);

private:
    struct state;
    std::unique_ptr<state> state_;
    bool has_takeover_;
};

/// Compresses the messages of a connection.
/// Errors: throws std::bad_alloc.
class ws_deflater : immovable {
public:
    ws_deflater(bool has_takeover, int window_bits);
    ~ws_deflater();

    /// Returns a compressed message.
    /// Preconditions: `from` is not empty.
    [[nodiscard]] std::string compress(std::string_view from);

private:
    struct state;
    std::unique_ptr<state> state_;
    bool has_takeover_;
};

}  // namespace eddy::detail
