// SPDX-License-Identifier: MIT
#include "mini_redis/request_codec.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>

#include "fuzz/targets.hpp"
#include "mini_redis/reply_codec.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {
namespace {

using mini_redis::request_codec;
using mini_redis::request_limits;

/// Decodes requests, including those sent as lines, and returns them as a client writes them.
class written_requests {
public:
    explicit written_requests(const request_limits& limits = request_limits()) : codec_(limits), limits_(limits) {}

    auto decode(eddy::bytes_mut& from) { return written(codec_.decode(from)); }
    auto decode_eof(eddy::bytes_mut& from) { return written(codec_.decode_eof(from)); }

private:
    using outcome = eddy::result<std::optional<std::string>>;

    outcome written(const eddy::result<std::optional<request_codec::item>>& got) const {
        if (!got) return std::unexpected(got.error());
        if (!*got) return std::optional<std::string>();
        require((*got)->size() <= std::max(limits_.words, limits_.line), "request_codec: a request has too many words");
        for (const auto word : **got) {
            require(word.size() <= std::max(limits_.word, limits_.line), "request_codec: a word is too long");
        }
        eddy::bytes_mut out;
        static_cast<void>(mini_redis::reply_codec().encode(**got, out));
        return std::string(out.text());
    }

    request_codec codec_;
    request_limits limits_;
};

request_limits request_limits_of(decisions& from) {
    request_limits limits;
    limits.word = from.up_to(40);
    limits.words = from.up_to(6);
    limits.line = 16 + from.up_to(60);
    limits.frame = 20 + from.up_to(150);
    return limits;
}

}  // namespace

void resp_requests(input bytes) {
    decisions from(bytes);
    const auto limits = request_limits_of(from);
    const std::size_t step = 1 + from.up_to(30);
    const auto text = from.rest();

    const auto whole = support::decode_all(written_requests(limits), text, text.size() + 1);
    require(whole == support::decode_all(written_requests(limits), text, step),
            "request_codec: the requests depend on the pieces");
    for (const auto& each : whole) {
        if (each.starts_with('<')) continue;  // an error
        const auto again = support::decode_all(written_requests(), each, each.size());
        require(again == std::vector{each}, "request_codec: decode() does not return what was written");
    }

    auto buffer = eddy::bytes_mut::copy_of(text);
    const std::size_t capacity = buffer.capacity();
    written_requests codec(limits);
    for (auto next = codec.decode(buffer); next && *next; next = codec.decode(buffer)) {
    }
    require(buffer.capacity() <= capacity, "request_codec: it allocates for bytes that have not arrived");
}

}  // namespace fuzz
