// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <eddy/codec.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"
#include "frame_sizes.hpp"

namespace bench::rt {
namespace {

namespace codec = eddy::codec;

/// A reader that is always ready and repeats the same block.
class endless {
public:
    explicit endless(std::string block) : block_(std::move(block)) {}

    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (at_ == block_.size()) at_ = 0;
        const std::size_t count = std::min(into.size(), block_.size() - at_);
        std::memcpy(into.data(), block_.data() + at_, count);
        at_ += count;
        return eddy::ok(count);
    }

private:
    std::string block_;
    std::size_t at_ = 0;
};

template <class Encode>
endless block_of(Encode encode) {
    eddy::bytes_mut all;
    for (std::uint64_t i = 0; i < frames_in_block; ++i) encode(std::string(size_of_frame(i), 'x'), all);
    return endless(std::string(all.text()));
}

template <class Frames>
eddy::task<void> read_frames(Frames frames, std::uint64_t count) {
    std::uint64_t bytes = 0;
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto frame = co_await frames.next();
        bytes += frame->value().size();
        expected += size_of_frame(i % frames_in_block);
    }
    check(bytes == expected, "each frame is complete");
}

template <class Codec>
eddy::task<void> decode(Codec with, std::uint64_t count) {
    auto block = block_of([&](const std::string& frame, eddy::bytes_mut& into) {
        check(with.encode(frame, into).has_value(), "a frame is encoded");
    });
    codec::framed_read frames(std::move(block), with);
    return read_frames(std::move(frames), count);
}

eddy::task<void> decode_lines(std::uint64_t count) { return decode(codec::lines_codec(1024), count); }
eddy::task<void> decode_lengths(std::uint64_t count) { return decode(codec::length_delimited_codec(), count); }

}  // namespace

// ns per line, and per frame with a length prefix, from a reader in memory. Measures the codec and its buffer only.
void codec_lines(flavour where) {
    report("codec_lines", where, "ns", run_root(where, warm_up_and_measure(&decode_lines, 5'000'000, 5'000'000)));
}
void codec_lengths(flavour where) {
    report("codec_lengths", where, "ns", run_root(where, warm_up_and_measure(&decode_lengths, 5'000'000, 5'000'000)));
}

}  // namespace bench::rt
