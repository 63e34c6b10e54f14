// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/result.hpp>

#include "reply.hpp"

namespace mini_redis {

/// The limits of a request. The defaults are those of Redis, except the number of words.
struct request_limits {
    std::size_t word = 512U << 20;  ///< bytes of a word
    std::size_t words = 1U << 20;   ///< words of a request
    std::size_t frame = 1U << 30;   ///< bytes of an encoded request
    std::size_t line = 64U << 10;   ///< bytes of a line: a length, or an inline request

    request_limits() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The server's side of RESP2: decodes requests and encodes replies. A request is an array of words,
///
///     *2 \r\n $3 \r\n GET \r\n $1 \r\n k \r\n
///
/// or an inline request: a line of words that may be quoted. Empty requests are skipped, as in Redis.
///
/// Lengths are used only to reject requests: memory is allocated for received bytes, not for announced lengths. Bytes
/// are parsed once, so a request that arrives byte by byte costs no more than one that arrives whole.
class request_codec {
public:
    using item = std::span<const std::string_view>;

    explicit request_codec(const request_limits& limits = request_limits()) noexcept : limits_(limits) {}

    /// Removes the next request from `from`. Returns nullopt if it is incomplete.
    /// Errors: resp_errc. Do not call it again after an error.
    /// Lifetime: the words refer to the memory of `from`. They are valid until `from` is appended to, or until the next
    /// call.
    /// Cost: no allocation, once the vectors have grown.
    eddy::result<std::optional<item>> decode(eddy::bytes_mut& from);
    /// Like decode(), at the end of the stream.
    /// Errors: also errc::unexpected_eof for an incomplete request.
    eddy::result<std::optional<item>> decode_eof(eddy::bytes_mut& from);
    /// Appends a reply. Never fails.
    eddy::result<void> encode(const reply& what, eddy::bytes_mut& into);

private:
    struct place {
        std::size_t begin;
        std::size_t size;
    };

    // Each of these functions gets all received bytes and continues where the last call stopped. It returns the length
    // of the request, or 0 if the request is incomplete.
    eddy::result<std::size_t> scan_array(std::string_view text);
    eddy::result<std::size_t> scan_line(std::string_view text);

    eddy::result<bool> scan_array_length(std::string_view text);
    eddy::result<bool> scan_word_length(std::string_view text);
    bool scan_word(std::string_view text);
    eddy::result<bool> scan_number(std::string_view text, resp_errc too_long, resp_errc no_number);
    eddy::result<std::size_t> find_line_end(std::string_view text, resp_errc too_long);
    std::optional<std::size_t> find(char wanted, std::string_view text);
    item take(eddy::bytes_mut& from, std::size_t size);

    request_limits limits_;
    std::size_t at_ = 0;        // everything before this was parsed
    std::size_t searched_ = 0;  // there is no end of line between at_ and this
    std::int64_t number_ = 0;   // the length that was parsed last
    std::size_t missing_ = 0;   // missing words of the array
    bool is_in_word_ = false;   // number_ is the length of the word at at_
    std::vector<place> places_;
    std::vector<std::string> unquoted_;  // the words of an inline request
    std::vector<std::string_view> words_;
};

}  // namespace mini_redis
