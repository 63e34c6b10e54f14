// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>

namespace support {

/// A server of HTTP/2 that sends and receives frames one by one, on any stream. Heads of responses contain indexed
/// fields only, so it needs no compression.
class http2_peer {
public:
    enum type : std::uint8_t {
        data,
        headers,
        priority,
        rst_stream,
        settings,
        push_promise,
        ping,
        goaway,
        window_update
    };
    static constexpr std::uint8_t end_stream = 1;
    static constexpr std::uint8_t ack = 1;
    static constexpr std::uint8_t end_headers = 4;
    /// The field ":status: 200" in HPACK.
    static constexpr std::string_view status_200 = "\x88";

    struct frame {
        std::uint8_t kind = 0;
        std::uint8_t flags = 0;
        std::uint32_t stream = 0;
        std::string payload;
        bool is_end = false;  // the end of the connection

        frame() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        /// Returns the last 4 bytes of the payload, which are the error code of RST_STREAM.
        std::uint32_t code() const { return number(payload.substr(payload.size() - 4)); }
    };

    explicit http2_peer(eddy::io::boxed_stream below) : stream_(std::move(below)) {}

    /// Receives the preface, and sends settings.
    eddy::task<void> begin(std::string own_settings = "") {
        const auto preface = co_await exactly(24);
        EXPECT_EQ(preface, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        co_await send(settings, 0, 0, std::move(own_settings));
    }
    /// Receives frames until one has the type, or until the end.
    eddy::task<frame> next(std::uint8_t kind) {
        for (;;) {
            frame got;
            const auto head = co_await exactly(9);
            got.is_end = head.size() != 9;
            if (got.is_end) co_return got;
            got.kind = static_cast<std::uint8_t>(head[3]);
            got.flags = static_cast<std::uint8_t>(head[4]);
            got.stream = number(head.substr(5));
            got.payload = co_await exactly(number(std::string(1, '\0') + head.substr(0, 3)));
            if (got.kind == window_update) windows_ += got.stream != 0 ? 1 : 0;
            if (got.kind == ping) ++pings_;
            if (got.kind == settings && got.flags == 0) co_await send(settings, ack, 0, "");
            if (got.kind == kind) co_return got;
        }
    }
    eddy::task<void> send(std::uint8_t kind, std::uint8_t flags, std::uint32_t stream, std::string payload) {
        co_await send_raw(frame_of(kind, flags, stream, payload));
    }
    /// Sends bytes together, for example several frames.
    eddy::task<void> send_raw(std::string bytes) {
        static_cast<void>(co_await eddy::io::write_all(stream_, bytes));
        static_cast<void>(co_await eddy::io::flush(stream_));  // with io_uring, bytes are sent later
    }
    /// Ends the sending direction, and receives until the end of the connection.
    eddy::task<void> end() {
        static_cast<void>(co_await eddy::poll_fn([this](eddy::context& cx) { return stream_.poll_shutdown(cx); }));
        for (;;) {
            const auto got = co_await next(0xff);
            if (got.is_end) co_return;
        }
    }
    /// Answers 200 with a body.
    eddy::task<void> answer(std::uint32_t stream, std::string body) {
        co_await send(headers, end_headers, stream, std::string(status_200));
        co_await send(data, end_stream, stream, std::move(body));
    }
    /// Returns how many WINDOW_UPDATE frames for streams were received.
    int windows() const noexcept { return windows_; }
    /// Returns how many PING frames were received.
    int pings() const noexcept { return pings_; }

    static std::string frame_of(std::uint8_t kind, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
        std::string text = bytes_of(static_cast<std::uint32_t>(payload.size())).substr(1);
        text += static_cast<char>(kind);
        text += static_cast<char>(flags);
        return text.append(bytes_of(stream)).append(payload);
    }
    static std::string bytes_of(std::uint32_t value) {
        std::string text;
        for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
        return text;
    }
    /// Returns a setting: its identifier has one byte.
    static std::string setting(char id, std::uint32_t value) { return std::string(1, '\0') + id + bytes_of(value); }

private:
    static std::uint32_t number(std::string_view text) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(text[i]);
        return value;
    }
    eddy::task<std::string> exactly(std::size_t size) {
        std::string text(size, '\0');
        const auto got = co_await eddy::io::read_exact(stream_, std::as_writable_bytes(std::span(text)));
        co_return got ? text : std::string();
    }

    eddy::io::boxed_stream stream_;
    int windows_ = 0;
    int pings_ = 0;
};

}  // namespace support
