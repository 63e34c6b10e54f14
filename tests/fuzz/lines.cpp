// SPDX-License-Identifier: MIT
#include <eddy/codec/lines_codec.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

#include "fuzz/model_lines.hpp"
#include "fuzz/targets.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {

void lines(input bytes) {
    decisions from(bytes);
    const std::size_t limit = from.up_to(40);
    const std::size_t step = 1 + from.up_to(30);
    const auto text = from.rest();
    const auto got = support::decode_all(eddy::codec::lines_codec(limit), text, step);
    require(got == model_lines(text, limit), "lines_codec: the frames are not the lines of the text");

    // The codec keeps at most one line of bounded length.
    eddy::codec::lines_codec codec(limit);
    eddy::bytes_mut buffer;
    for (std::size_t at = 0; at < text.size(); at += step) {
        buffer.put(text.substr(at, step));
        for (auto line = codec.decode(buffer); !line || *line; line = codec.decode(buffer)) {
        }
        require(buffer.size() <= limit + 1, "lines_codec: it keeps more than one line");
    }
}

}  // namespace fuzz
