// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/result.hpp>

#include "reply.hpp"

namespace mini_redis {

/// Appends `what` as RESP2.
void write_reply(const reply& what, eddy::bytes_mut& into);

/// The limits of a reply, for a client.
struct reply_limits {
    std::size_t bulk = 512U << 20;  ///< bytes of a string
    std::size_t items = 1U << 20;   ///< items of an array
    std::size_t frame = 1U << 30;   ///< bytes of an encoded reply
    std::size_t line = 64U << 10;   ///< bytes of a status, an error or a number
    std::size_t depth = 8;          ///< nesting depth of arrays

    reply_limits() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The client's side of RESP2: encodes requests and decodes replies.
///
/// decode() first searches for the end of a reply, and continues the search when more bytes arrive. It builds the reply
/// only then, so it allocates memory for received bytes, not for announced lengths.
class reply_codec {
public:
    using item = reply;

    explicit reply_codec(const reply_limits& limits = reply_limits()) noexcept : limits_(limits) {}

    /// Removes the next reply from `from`. Returns nullopt if it is incomplete.
    /// Errors: resp_errc. Do not call it again after an error.
    eddy::result<std::optional<reply>> decode(eddy::bytes_mut& from);
    /// Like decode(), at the end of the stream.
    /// Errors: also errc::unexpected_eof for an incomplete reply.
    eddy::result<std::optional<reply>> decode_eof(eddy::bytes_mut& from);
    /// Appends a request. Never fails.
    eddy::result<void> encode(std::span<const std::string_view> words, eddy::bytes_mut& into);

private:
    eddy::result<bool> scan(std::string_view text);
    eddy::result<bool> scan_one(std::string_view text);
    eddy::result<bool> scan_bulk(std::string_view text, std::int64_t size);
    eddy::result<bool> open_array(std::int64_t count);
    void close_arrays();

    reply_limits limits_;
    std::size_t at_ = 0;                  // everything before this was parsed
    std::size_t searched_ = 0;            // there is no end of line between at_ and this
    std::vector<std::uint64_t> missing_;  // missing items of each open array
};

}  // namespace mini_redis
