// SPDX-License-Identifier: MIT
#include <eddy/codec/framed_read.hpp>

#include <string>

#include <eddy/codec/lines_codec.hpp>

#include "fuzz/model_lines.hpp"
#include "fuzz/targets.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {

/// Like lines(), but through a framed_read with a buffer of any capacity, over a reader that moves any number of bytes.
void framed_lines(input bytes) {
    decisions from(bytes);
    const std::size_t limit = from.up_to(40);
    const std::size_t capacity = 1 + from.up_to(30);
    support::chop how;
    how.most = 1 + from.up_to(30);
    how.waits_between = from.up_to(1) == 1;
    const std::string text(from.rest());
    eddy::codec::framed_read frames(support::choppy_reader(text, how), eddy::codec::lines_codec(limit), capacity);
    require(support::shown_items(frames) == model_lines(text, limit),
            "framed_read: the frames are not the lines of the text");
}

}  // namespace fuzz
