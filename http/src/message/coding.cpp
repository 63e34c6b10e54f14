// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::detail {

bool body_coding::is_named(std::string_view text) const noexcept {
    return http::equal_names(text, name) || (!former_name.empty() && http::equal_names(text, former_name));
}

const body_coding* find_coding(std::string_view name) noexcept {
    const auto* const found = std::ranges::find_if(
        body_codings, [&](const body_coding* each) { return each->is_available() && each->is_named(name); });
    return found == body_codings.end() ? nullptr : *found;
}

std::string_view available_codings() {
    static const std::string names = [] {
        std::string list;
        for (const auto* each : body_codings)
            if (each->is_available()) list.append(list.empty() ? "" : ", ").append(each->name);
        return list;
    }();
    return names;
}

// ---- Bodies ----

namespace {

constexpr std::size_t input_size = 16 * 1024;
// With less room, zlib may write the marker of a flush again and again (zlib.h, deflate()).
constexpr std::size_t least_room = 32;

///     read ──bytes──> work ──done──> read
///       │ waits, and bytes were consumed since the last flush ──> work (flush)
///       └ end ──> work (end) ──> ended
class encoding_body final : public described_source<encoding_body> {
public:
    encoding_body(const body_coding& by, http::body&& from, int level)
        : from_(std::move(from)), encoder_(by.make_encoder(level)), memory_(by.encoder_memory(level)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&encoding_body::from_); }

    http::headers make_trailers() override { return from_.trailers(); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (into.empty()) return eddy::ok(std::size_t{0});
        for (;;) {
            if (begin_ != end_) return eddy::ok(take_staged(into));
            if (has_work_) {
                const auto count = work(into);
                if (!count || *count != 0) return count;
                continue;
            }
            if (goal_ == encode_goal::end) return eddy::ok(std::size_t{0});
            if (!cx.consume_budget()) return not_ready;  // compression of a body in memory never waits otherwise
            auto count = from_.poll_read(cx, input_);
            if (count && !*count) return count;
            if (!count) {
                if (!std::exchange(is_unflushed_, false)) return not_ready;
                begin_work(0, encode_goal::flush);
            } else {
                is_unflushed_ = **count != 0;
                begin_work(**count, **count == 0 ? encode_goal::end : encode_goal::progress);
            }
        }
    }

    [[nodiscard]] bool ends_with_peer() const noexcept override { return body_access::ends_with_peer(from_); }
    [[nodiscard]] std::size_t held_bytes() const noexcept override { return memory_ + body_access::held_bytes(from_); }

private:
    void begin_work(std::size_t bytes, encode_goal goal) noexcept {
        rest_ = std::span(input_).first(bytes);
        goal_ = goal;
        has_work_ = true;
    }

    /// Continues to encode the input. Returns the number of bytes that were written to `into`.
    result<std::size_t> work(std::span<std::byte> into) noexcept {
        const bool is_staged = into.size() < least_room;
        if (is_staged) into = staged_;
        const auto step = encoder_->encode(rest_, into, goal_);
        if (!step) return std::unexpected(step.error());
        rest_ = rest_.subspan(step->consumed);
        has_work_ = !step->is_done;
        if (!is_staged) return step->written;
        begin_ = 0;
        end_ = step->written;
        return 0;
    }

    std::size_t take_staged(std::span<std::byte> into) noexcept {
        const auto count = std::min(into.size(), end_ - begin_);
        std::memcpy(into.data(), staged_.data() + begin_, count);
        begin_ += count;
        return count;
    }

    http::body from_;
    std::unique_ptr<encoder> encoder_;
    std::size_t memory_;
    std::array<std::byte, input_size> input_{};
    std::span<const std::byte> rest_;             // of the input
    std::array<std::byte, least_room> staged_{};  // output for readers with less room
    std::size_t begin_ = 0;                       // of the output in staged_
    std::size_t end_ = 0;
    encode_goal goal_ = encode_goal::progress;
    bool has_work_ = false;
    bool is_unflushed_ = false;  // the encoder may hold back bytes that it was given
};

class decoding_body final : public described_source<decoding_body> {
public:
    decoding_body(const body_coding& by, http::body&& from, std::uint64_t limit)
        : from_(std::move(from)), left_(limit), decoder_(by.make_decoder()) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&decoding_body::from_); }

    http::headers make_trailers() override { return from_.trailers(); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (failure_) return result<std::size_t>(std::unexpected(failure_));
        if (into.empty()) return eddy::ok(std::size_t{0});
        auto count = poll_decode(cx, into);
        if (count && !*count) failure_ = count->error();
        return count;
    }

private:
    poll_result<result<std::size_t>> poll_decode(context& cx, std::span<std::byte> into) {
        for (;;) {
            if (!cx.consume_budget()) return not_ready;  // a few bytes of input may become many megabytes
            if (!rest_.empty() || has_more_) {
                const auto count = decode_some(into);
                if (!count || *count != 0) return count;
                continue;
            }
            auto count = from_.poll_read(cx, input_);
            if (!count || !*count) return count;
            if (**count == 0) {
                if (is_complete_) return eddy::ok(std::size_t{0});
                return result<std::size_t>(std::unexpected(make_error_code(http::errc::body_too_short)));
            }
            rest_ = std::span(input_).first(**count);
        }
    }

    result<std::size_t> decode_some(std::span<std::byte> into) noexcept {
        if (left_ < into.size()) into = into.first(static_cast<std::size_t>(left_ + 1));
        const auto step = decoder_->decode(rest_, into);
        if (!step) return std::unexpected(step.error());
        if (step->written > left_) return std::unexpected(make_error_code(http::errc::body_too_large));
        left_ -= step->written;
        rest_ = rest_.subspan(step->consumed);
        has_more_ = step->has_more;
        is_complete_ = step->is_complete;
        return step->written;
    }

    http::body from_;
    std::uint64_t left_;  // number of bytes that may still be returned
    std::unique_ptr<decoder> decoder_;
    std::array<std::byte, input_size> input_{};
    std::span<const std::byte> rest_;  // of the input
    std::error_code failure_;
    bool has_more_ = false;    // the decoder may have output
    bool is_complete_ = true;  // a body without bytes is complete
};

}  // namespace

std::string encoded_text(const body_coding& by, std::string_view content, int level) {
    const auto encoder = by.make_encoder(level);
    auto rest = std::as_bytes(std::span(content));
    std::string text;
    for (bool is_done = false; !is_done;) {
        const auto before = text.size();
        text.resize(before + rest.size() / 2 + 128);
        const auto step =
            encoder->encode(rest, std::as_writable_bytes(std::span(text)).subspan(before), encode_goal::end);
        if (!step) throw std::bad_alloc();  // the parameters are valid, so memory is the only reason
        text.resize(before + step->written);
        rest = rest.subspan(step->consumed);
        is_done = step->is_done;
    }
    text.shrink_to_fit();  // the body keeps the memory until it was sent
    return text;
}

std::unique_ptr<body_source> encoding_source(const body_coding& by, http::body from, int level) {
    return std::make_unique<encoding_body>(by, std::move(from), level);
}

std::unique_ptr<body_source> decoding_source(const body_coding& by, http::body from, std::uint64_t limit) {
    return std::make_unique<decoding_body>(by, std::move(from), limit);
}

}  // namespace eddy::detail
