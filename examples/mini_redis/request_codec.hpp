// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/bytes_mut.hpp>
#include <eddy/result.hpp>

#include "reply.hpp"

namespace mini_redis {

/// What a request may be at most. The defaults are Redis' own, but for the number of words.
struct request_limits {
    std::size_t word = 512U << 20;  ///< bytes of one word
    std::size_t words = 1U << 20;   ///< of one request
    std::size_t frame = 1U << 30;   ///< bytes of one request, as it came
    std::size_t line = 64U << 10;   ///< bytes of a line: of a length, or of a request typed by hand

    request_limits() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// The server's side of RESP2: requests come in, replies go out. A request is an array of words,
///
///     *2 \r\n $3 \r\n GET \r\n $1 \r\n k \r\n
///
/// or, for people with a terminal, a line of words that may be quoted. An empty one of either kind is skipped, as Redis
/// does.
///
/// A length is believed only as far as it forbids: memory is taken for bytes that have come, and never because a length
/// was announced. What has been looked at is not looked at again when more bytes come, so a request that comes byte by
/// byte costs no more than one that comes at once.
class request_codec {
public:
    using item = std::span<const std::string_view>;

    explicit request_codec(const request_limits& limits = request_limits()) noexcept : limits_(limits) {}

    /// Takes the next request out of `from`; nothing if not all of it has come.
    /// Errors: resp_errc. Call it no more then.
    /// Lifetime: the words lie in the memory of `from`, and are good until something is appended to that, or until the
    /// next call. Cost: no allocation, once the vectors have grown.
    eddy::result<std::optional<item>> decode(eddy::bytes_mut& from);
    /// The same when nothing more will come. Errors: errc::unexpected_eof if there is half a request.
    eddy::result<std::optional<item>> decode_eof(eddy::bytes_mut& from);
    /// Appends a reply. Never fails.
    eddy::result<void> encode(const reply& what, eddy::bytes_mut& into);

private:
    struct place {
        std::size_t begin;
        std::size_t size;
    };

    // Each looks at the whole of what has come, and goes on where the last call had to stop. They answer how long the
    // request is, 0 if its end has not come.
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
    std::size_t at_ = 0;        // all before this is understood
    std::size_t searched_ = 0;  // there is no end of line before this
    std::int64_t number_ = 0;   // the last length
    std::size_t missing_ = 0;   // words of the array that are still to come
    bool is_in_word_ = false;   // number_ is the length of the word that begins at at_
    std::vector<place> places_;
    std::vector<std::string> unquoted_;  // the words of a line
    std::vector<std::string_view> words_;
};

}  // namespace mini_redis
