// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "frame_sizes.hpp"
#include "measure.hpp"
#include "raw_cases.hpp"

namespace bench::raw {

namespace {

std::string block_of_lines() {
    std::string all;
    for (std::uint64_t i = 0; i < frames_in_block; ++i) all.append(size_of_frame(i), 'x') += '\n';
    return all;
}

/// Returns whether all bytes are below 0x80. Checks eight bytes at a time.
bool is_ascii(std::string_view text) noexcept {
    std::uint64_t all = 0;
    std::size_t at = 0;
    for (; at + sizeof all <= text.size(); at += sizeof all) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, sizeof word);
        all |= word;
    }
    for (; at < text.size(); ++at) all |= static_cast<unsigned char>(text[at]);
    return (all & 0x8080808080808080u) == 0;
}

/// The lines of a block that is read repeatedly, 8 KiB at a time.
class lines {
public:
    explicit lines(std::string block) : block_(std::move(block)) {}

    [[gnu::noinline]] std::string next() {
        for (;;) {
            if (auto line = take()) return *std::move(line);
            fill();
        }
    }

private:
    std::optional<std::string> take() {
        const char* const from = buffer_.data() + taken_;
        const auto* const end = static_cast<const char*>(std::memchr(from, '\n', filled_ - taken_));
        if (end == nullptr) return std::nullopt;
        std::string_view line(from, static_cast<std::size_t>(end - from));
        taken_ += line.size() + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        check(is_ascii(line), "the line is ASCII");
        return std::optional<std::string>(std::in_place, line);
    }

    void fill() {
        std::memmove(buffer_.data(), buffer_.data() + taken_, filled_ - taken_);
        filled_ -= taken_;
        taken_ = 0;
        const std::size_t count = std::min(buffer_.size() - filled_, block_.size() - at_);
        std::memcpy(buffer_.data() + filled_, block_.data() + at_, count);
        filled_ += count;
        at_ = (at_ + count) % block_.size();
    }

    std::string block_;
    std::size_t at_ = 0;
    std::array<char, 8192> buffer_{};
    std::size_t taken_ = 0;
    std::size_t filled_ = 0;
};

void read_lines(std::uint64_t count) {
    lines all(block_of_lines());
    std::uint64_t bytes = 0;
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        bytes += all.next().size();
        expected += size_of_frame(i % frames_in_block);
    }
    check(bytes == expected, "each line is complete");
}

}  // namespace

void codec_lines(flavour where) {
    constexpr std::uint64_t operations = 5'000'000;
    read_lines(operations);
    const auto start = clock::now();
    read_lines(operations);
    report("codec_lines", where, "ns", per_operation(clock::now() - start, operations));
}

}  // namespace bench::raw
