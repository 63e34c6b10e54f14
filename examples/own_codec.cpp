// SPDX-License-Identifier: MIT
// A user-defined codec that keeps state between calls, and continues after a damaged frame.
// A frame is one byte with the size of the text, the text, and one byte with its checksum.
//     $ ./own_codec
//     frame: hello
//     error: Bad message
//     frame: world
//     error: bytes remaining on stream: it ended in the middle of a frame
#include <eddy/prelude.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace codec = eddy::codec;
namespace io = eddy::io;
using eddy::result;
using eddy::task;
using eddy::try_;

class summed_codec {
public:
    // Called when bytes were received: removes a frame from the front of `from`, or returns nullopt if it is
    // incomplete. The size, once removed, is kept for the next call.
    result<std::optional<std::string>> decode(eddy::bytes_mut& from) {
        if (!size_ && !from.empty()) size_ = from.get_u8();
        if (!size_ || from.size() <= *size_) return std::optional<std::string>();
        const auto text = from.split_to(*std::exchange(size_, std::nullopt));
        // The damaged frame was removed, so the next frame can be read.
        if (from.get_u8() != sum(text.text())) return std::unexpected(make_error_code(std::errc::bad_message));
        return std::string(text.text());
    }

    // Called at the end of the stream. Without this member, remaining bytes would be an error, but a size that was
    // already removed would not.
    result<std::optional<std::string>> decode_eof(eddy::bytes_mut& from) {
        auto frame = decode(from);
        if (!frame || *frame || !size_) return frame;
        return std::unexpected(make_error_code(eddy::errc::bytes_remaining));
    }

    // Returns whether frames may follow after `error`. Without this member, the stream ends after each error.
    static bool can_continue_after(std::error_code error) { return error == std::errc::bad_message; }

    result<void> encode(std::string_view text, eddy::bytes_mut& into) {
        if (text.size() > 255) return std::unexpected(make_error_code(std::errc::message_size));
        into.put_u8(static_cast<std::uint8_t>(text.size()));
        into.put(text);
        into.put_u8(sum(text));
        return {};
    }

private:
    static std::uint8_t sum(std::string_view text) {
        std::uint8_t total = 0;
        for (const char each : text) total = static_cast<std::uint8_t>(total + each);
        return total;
    }

    std::optional<std::uint8_t> size_;  // of the current frame, if it was read
};

task<result<void>> send(io::simplex_writer to) {
    codec::framed_write frames(std::ref(to), summed_codec());
    co_await try_(frames.send("hello"));
    co_await try_(io::write_all(to, "\3two?"));  // with a wrong checksum
    co_await try_(frames.send("world"));
    co_return co_await io::write_all(to, "\7half");  // then the writer is destroyed
}

task<result<void>> receive(io::simplex_reader from) {
    codec::framed_read frames(std::move(from), summed_codec());
    while (auto frame = co_await frames.next()) {
        if (*frame) std::printf("frame: %s\n", (*frame)->c_str());
        if (!*frame) std::printf("error: %s\n", frame->error().message().c_str());
    }
    co_return eddy::ok();
}

task<result<void>> show_all() {
    auto [reader, writer] = io::simplex(64);
    co_await try_(eddy::try_join(send(std::move(writer)), receive(std::move(reader))));
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(show_all()); }
