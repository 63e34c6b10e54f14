// SPDX-License-Identifier: MIT
#include "message/gzip.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <zlib.h>

#include <eddy/http/error.hpp>

namespace eddy::detail {
namespace {

constexpr int gzip_format = 15 + 16;  // a window of 32 KiB, and the header of gzip
constexpr std::size_t input_size = 16 * 1024;
constexpr std::size_t state_size = 256 * 1024;  // of zlib's compressor, with memLevel 8 (zconf.h)
// With less room, zlib may write the marker of a flush again and again (zlib.h, deflate()).
constexpr std::size_t least_room = 32;

void check_made(int code) {
    if (code != Z_OK) throw std::bad_alloc();  // the parameters are valid, so memory is the only reason
}

/// SAFETY: zlib takes its input as a pointer to non-const, and does not change it.
void set_input(z_stream& of, std::span<const std::byte> from) noexcept {
    of.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
    of.avail_in = static_cast<uInt>(from.size());
}
void set_output(z_stream& of, std::span<std::byte> to) noexcept {
    of.next_out = reinterpret_cast<Bytef*>(to.data());  // SAFETY: bytes may be written as unsigned char
    of.avail_out = static_cast<uInt>(std::min<std::size_t>(to.size(), 1U << 30U));
}

result<std::size_t> read_error(std::error_code why) { return std::unexpected(why); }

class deflater : immovable {
public:
    explicit deflater(int level) {
        check_made(::deflateInit2(&stream, level, Z_DEFLATED, gzip_format, 8, Z_DEFAULT_STRATEGY));
    }
    ~deflater() { ::deflateEnd(&stream); }

    z_stream stream{};
};

///     read ──bytes──> work ──all consumed──> read
///       │ waits, and bytes were consumed since the last flush ──> work (Z_SYNC_FLUSH)
///       └ end ──> work (Z_FINISH) ──> ended
class compressing_source final : public described_source<compressing_source> {
public:
    compressing_source(http::body&& from, int level) : from_(std::move(from)), zlib_(level) {}

    EDDY_WAITS_AS(compressing_source, from_);

    http::headers make_trailers() override { return from_.trailers(); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (into.empty()) return eddy::ok(std::size_t{0});
        for (;;) {
            if (begin_ != end_) return eddy::ok(take_staged(into));
            if (has_work_) {
                const auto count = work(into);
                if (count != 0) return eddy::ok(count);
                continue;
            }
            if (has_ended_) return eddy::ok(std::size_t{0});
            if (!cx.consume_budget()) return not_ready;  // compression of a body in memory never waits otherwise
            auto count = from_.poll_read(cx, input_);
            if (count && !*count) return count;
            if (!count) {
                if (!std::exchange(is_unflushed_, false)) return not_ready;
                begin_work(0, Z_SYNC_FLUSH);
            } else {
                is_unflushed_ = **count != 0;
                begin_work(**count, **count == 0 ? Z_FINISH : Z_NO_FLUSH);
            }
        }
    }

    [[nodiscard]] bool ends_with_peer() const noexcept override { return body_access::ends_with_peer(from_); }
    [[nodiscard]] std::size_t held_bytes() const noexcept override {
        return state_size + body_access::held_bytes(from_);
    }

private:
    void begin_work(std::size_t bytes, int flush) noexcept {
        set_input(zlib_.stream, std::span(input_).first(bytes));
        flush_ = flush;
        has_work_ = true;
    }

    /// Continues to compress the input. Returns the number of bytes that were written to `into`.
    std::size_t work(std::span<std::byte> into) noexcept {
        const bool is_staged = into.size() < least_room;
        if (is_staged) into = staged_;
        set_output(zlib_.stream, into);
        const auto room = zlib_.stream.avail_out;
        const int code = ::deflate(&zlib_.stream, flush_);
        if (code == Z_STREAM_END) has_ended_ = true;
        has_work_ = zlib_.stream.avail_out == 0 && !has_ended_;
        const std::size_t count = room - zlib_.stream.avail_out;
        if (!is_staged) return count;
        begin_ = 0;
        end_ = count;
        return 0;
    }

    std::size_t take_staged(std::span<std::byte> into) noexcept {
        const auto count = std::min(into.size(), end_ - begin_);
        std::memcpy(into.data(), staged_.data() + begin_, count);
        begin_ += count;
        return count;
    }

    http::body from_;
    deflater zlib_;
    std::array<std::byte, input_size> input_{};
    std::array<std::byte, least_room> staged_{};  // output for readers with less room
    std::size_t begin_ = 0;                       // of the output in staged_
    std::size_t end_ = 0;
    int flush_ = Z_NO_FLUSH;
    bool has_work_ = false;
    bool has_ended_ = false;
    bool is_unflushed_ = false;  // zlib may hold back bytes that it was given
};

class decompressing_source final : public described_source<decompressing_source>, immovable {
public:
    decompressing_source(http::body&& from, std::uint64_t limit) : from_(std::move(from)), left_(limit) {
        check_made(::inflateInit2(&stream_, gzip_format));
    }
    ~decompressing_source() override { ::inflateEnd(&stream_); }

    EDDY_WAITS_AS(decompressing_source, from_);

    http::headers make_trailers() override { return from_.trailers(); }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (failure_) return read_error(failure_);
        if (into.empty()) return eddy::ok(std::size_t{0});
        auto count = poll_inflate(cx, into);
        if (count && !*count) failure_ = count->error();
        return count;
    }

private:
    poll_result<result<std::size_t>> poll_inflate(context& cx, std::span<std::byte> into) {
        for (;;) {
            if (!cx.consume_budget()) return not_ready;  // a few bytes of input may become many megabytes
            if (stream_.avail_in != 0 || may_have_output_) {
                const auto count = inflate_some(into);
                if (!count || *count != 0) return count;
                continue;
            }
            auto count = from_.poll_read(cx, input_);
            if (!count || !*count) return count;
            if (**count == 0) {
                if (is_in_member_) return read_error(make_error_code(http::errc::body_too_short));
                return eddy::ok(std::size_t{0});
            }
            set_input(stream_, std::span(input_).first(**count));
        }
    }

    result<std::size_t> inflate_some(std::span<std::byte> into) noexcept {
        // A gzip file is a sequence of members (RFC 1952, section 2.2).
        if (!is_in_member_) ::inflateReset(&stream_);
        is_in_member_ = true;
        if (left_ < into.size()) into = into.first(static_cast<std::size_t>(left_ + 1));
        set_output(stream_, into);
        const auto room = stream_.avail_out;
        const int code = ::inflate(&stream_, Z_NO_FLUSH);
        const std::size_t count = room - stream_.avail_out;
        may_have_output_ = code == Z_OK && stream_.avail_out == 0;
        if (count > left_) return read_error(make_error_code(http::errc::body_too_large));
        left_ -= count;
        if (code == Z_STREAM_END) {
            is_in_member_ = false;
        } else if (code == Z_MEM_ERROR) {
            return read_error(std::make_error_code(std::errc::not_enough_memory));
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return read_error(make_error_code(http::errc::bad_message));
        }
        return count;
    }

    http::body from_;
    std::uint64_t left_;  // number of bytes that may still be returned
    z_stream stream_{};
    std::array<std::byte, input_size> input_{};
    std::error_code failure_;
    bool may_have_output_ = false;  // the last call filled all its room
    bool is_in_member_ = false;
};

}  // namespace

bool has_gzip() noexcept { return true; }

std::string gzip_text(std::string_view content, int level) {
    deflater zlib(level);
    set_input(zlib.stream, std::as_bytes(std::span(content)));
    std::string text;
    const auto most = ::deflateBound(&zlib.stream, static_cast<uLong>(content.size()));
    text.resize_and_overwrite(most, [&](char* to, std::size_t room) {
        set_output(zlib.stream, std::as_writable_bytes(std::span(to, room)));
        ::deflate(&zlib.stream, Z_FINISH);  // one call is enough, because the room is
        return room - zlib.stream.avail_out;
    });
    text.shrink_to_fit();  // the body keeps the memory until it was sent
    return text;
}

std::unique_ptr<body_source> gzip_source(http::body from, int level) {
    return std::make_unique<compressing_source>(std::move(from), level);
}

std::unique_ptr<body_source> gunzip_source(http::body from, std::uint64_t limit) {
    return std::make_unique<decompressing_source>(std::move(from), limit);
}

}  // namespace eddy::detail
