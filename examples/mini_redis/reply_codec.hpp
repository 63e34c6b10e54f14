// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <eddy/bytes_mut.hpp>
#include <eddy/result.hpp>

#include "reply.hpp"

namespace mini_redis {

/// Appends `what` as RESP2.
void write_reply(const reply& what, eddy::bytes_mut& into);

/// What a reply may be at most, for a client.
struct reply_limits {
    std::size_t bulk = 512U << 20;  ///< bytes of one string
    std::size_t items = 1U << 20;   ///< of one array
    std::size_t frame = 1U << 30;   ///< bytes of a reply, as it comes
    std::size_t line = 64U << 10;   ///< of a status, an error or a number
    std::size_t depth = 8;          ///< arrays in arrays

    reply_limits() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// The client's side of RESP2: requests go out, replies come in.
///
/// A reply is looked for its end first, which goes on where it stopped when more bytes come; only then is it built. So
/// memory is taken for what has come, and not for what was announced.
class reply_codec {
public:
    using item = reply;

    explicit reply_codec(const reply_limits& limits = reply_limits()) noexcept : limits_(limits) {}

    /// Takes the next reply out of `from`; nothing if not all of it has come.
    /// Errors: resp_errc. Call it no more then.
    eddy::result<std::optional<reply>> decode(eddy::bytes_mut& from);
    /// The same when nothing more will come. Errors: errc::unexpected_eof if there is half a reply.
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
    std::size_t at_ = 0;                  // all before this is understood
    std::size_t searched_ = 0;            // there is no end of line before this
    std::vector<std::uint64_t> missing_;  // items that are to come, of each array that is open
};

}  // namespace mini_redis
