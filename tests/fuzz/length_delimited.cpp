// SPDX-License-Identifier: MIT
#include <eddy/codec/length_delimited_codec.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/targets.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {
namespace {

constexpr std::size_t most = 200;

eddy::codec::length_delimited_options options_of(decisions& from) {
    eddy::codec::length_delimited_options options;
    options.max_frame_length(most);
    options.length_field_length(1 + from.up_to(7)).length_field_offset(from.up_to(4));
    options.length_adjustment(static_cast<std::int64_t>(from.up_to(40)) - 20);
    if (from.up_to(1) == 1) options.little_endian();
    if (const std::size_t skip = from.up_to(15); skip != 0) options.num_skip(skip - 1);
    return options;
}

}  // namespace

void length_delimited(input bytes) {
    decisions from(bytes);
    const auto codec = options_of(from).build();
    const std::size_t step = 1 + from.up_to(30);
    const auto text = from.rest();

    const auto whole = support::decode_all(codec, text, text.size() + 1);
    require(whole == support::decode_all(codec, text, step), "length_delimited_codec: the frames depend on the pieces");
    require(whole.size() <= text.size() + 1, "length_delimited_codec: there are more frames than bytes");

    eddy::bytes_mut buffer = eddy::bytes_mut::copy_of(text);
    auto again = codec;
    const std::size_t capacity = buffer.capacity();
    for (auto frame = again.decode(buffer); frame && *frame; frame = again.decode(buffer)) {
        require((*frame)->size() <= most, "length_delimited_codec: a frame exceeds the limit");
    }
    require(buffer.capacity() <= capacity, "length_delimited_codec: it allocates for bytes that have not arrived");

    // A codec whose head is only the length, and not part of the frame, decodes what it encodes.
    auto plain =
        eddy::codec::length_delimited_options().length_field_length(1 + step % 8).max_frame_length(most).build();
    const auto written = text.substr(0, 2 * most);
    eddy::bytes_mut out;
    const auto sent = plain.encode(written, out);
    require(sent.has_value() == (written.size() <= most), "length_delimited_codec: encode() does not check the limit");
    if (!sent) return;
    const auto back = plain.decode(out);
    require(back && *back && **back == written && out.empty(),
            "length_delimited_codec: decode() does not return what encode() wrote");
}

}  // namespace fuzz
