// SPDX-License-Identifier: MIT
#include "mini_redis/reply_codec.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>

#include "fuzz/targets.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {
namespace {

using mini_redis::reply_codec;
using mini_redis::reply_limits;

/// Decodes replies and returns them as a server writes them.
class written_replies {
public:
    explicit written_replies(const reply_limits& limits = reply_limits()) : codec_(limits) {}

    auto decode(eddy::bytes_mut& from) { return written(codec_.decode(from)); }
    auto decode_eof(eddy::bytes_mut& from) { return written(codec_.decode_eof(from)); }

private:
    using outcome = eddy::result<std::optional<std::string>>;

    static outcome written(const eddy::result<std::optional<mini_redis::reply>>& got) {
        if (!got) return std::unexpected(got.error());
        if (!*got) return std::optional<std::string>();
        eddy::bytes_mut out;
        mini_redis::write_reply(**got, out);
        return std::string(out.text());
    }

    reply_codec codec_;
};

reply_limits reply_limits_of(decisions& from) {
    reply_limits limits;
    limits.bulk = from.up_to(40);
    limits.items = from.up_to(6);
    limits.line = 16 + from.up_to(60);
    limits.frame = 20 + from.up_to(150);
    limits.depth = 1 + from.up_to(5);
    return limits;
}

}  // namespace

void resp_replies(input bytes) {
    decisions from(bytes);
    const auto limits = reply_limits_of(from);
    const std::size_t step = 1 + from.up_to(30);
    const auto text = from.rest();

    const auto whole = support::decode_all(written_replies(limits), text, text.size() + 1);
    require(whole == support::decode_all(written_replies(limits), text, step),
            "reply_codec: the replies depend on the pieces");
    for (const auto& each : whole) {
        if (each.starts_with('<')) continue;  // an error
        const auto again = support::decode_all(written_replies(), each, each.size());
        require(again == std::vector{each}, "reply_codec: decode() does not return what was written");
    }

    auto buffer = eddy::bytes_mut::copy_of(text);
    const std::size_t capacity = buffer.capacity();
    reply_codec codec(limits);
    for (auto next = codec.decode(buffer); next && *next; next = codec.decode(buffer)) {
    }
    require(buffer.capacity() <= capacity, "reply_codec: it allocates for bytes that have not arrived");
}

}  // namespace fuzz
