// SPDX-License-Identifier: MIT
// Text and bytes in all usual containers as the arguments of reads and writes.
#include <eddy/io/buffer.hpp>

#include <eddy/future/join.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/try_timeout.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/polling.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
namespace io = eddy::io;
using eddy::result;
using eddy::task;
using eddy::try_;

std::string text_of(io::const_buffer from) {
    const auto bytes = from.bytes();
    // SAFETY: any object may be read as chars.
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(IoBuffer, ConstBufferRefersToTextAndBytes) {
    const std::string text = "text";
    const char* const c_string = "c";
    const std::array<unsigned char, 2> two{'a', 'b'};
    const std::array<std::byte, 1> one{std::byte('x')};
    const std::vector<char> chars{'v', 'c'};
    const char exact[] = {'e', 'x'};
    EXPECT_EQ(text_of(text), "text");
    EXPECT_EQ(text_of("view"sv), "view");
    EXPECT_EQ(text_of(c_string), "c");
    EXPECT_EQ(text_of(two), "ab");
    EXPECT_EQ(text_of(one), "x");
    EXPECT_EQ(text_of(chars), "vc");
    EXPECT_EQ(text_of(std::span(chars).first(1)), "v");
    EXPECT_EQ(text_of(std::as_bytes(std::span(text))), "text");
    EXPECT_EQ(text_of(exact), "ex");
    EXPECT_EQ(text_of(u8"utf"), "utf");
    EXPECT_EQ(text_of(io::const_buffer()), "");
}

TEST(IoBuffer, LiteralHasNoTerminatingNulButMayContainNuls) {
    EXPECT_EQ(text_of("abc"), "abc");
    EXPECT_EQ(text_of(""), "");
    EXPECT_EQ(text_of("\0\1"), "\0\1"sv);
}

// covers: I20.3.8
TEST(IoBuffer, MutableBufferSpansWholeContainer) {
    std::string text(3, 'x');
    std::array<char, 4> chars{};
    unsigned char raw[5];
    std::vector<std::byte> bytes(6);
    EXPECT_EQ(io::mutable_buffer(text).bytes().size(), 3u);
    EXPECT_EQ(io::mutable_buffer(chars).bytes().size(), 4u);
    EXPECT_EQ(io::mutable_buffer(raw).bytes().size(), 5u);
    EXPECT_EQ(io::mutable_buffer(bytes).bytes().data(), bytes.data());
    EXPECT_EQ(io::mutable_buffer(std::span(chars).subspan(1)).bytes().size(), 3u);
    EXPECT_TRUE(io::mutable_buffer().bytes().empty());
}

/// Runs `work` with the two ends of a connection, for at most 10 s.
template <class Work>
void with_pair(Work work) {
    eddy::core core;
    auto pair =
        core.run([]() -> task<result<eddy::net::unix_stream_pair>> { co_return eddy::net::unix_stream::pair(); }());
    ASSERT_TRUE(pair.has_value());
    auto& [near, far] = *pair;
    const auto done = core.run(eddy::time::try_timeout(10s, work(near, far)));
    EXPECT_TRUE(done.has_value()) << done.error().message();
}

// covers: P041 I20.3.8
TEST(IoBuffer, StreamsWriteAndReadText) {
    with_pair([](eddy::net::unix_stream& near, eddy::net::unix_stream& far) -> task<result<void>> {
        const std::vector<char> chars{'d', 'e'};
        co_await try_(near.write_all("abc"));
        co_await try_(near.write_all(chars));
        co_await try_(io::write_all(near, "fgh"sv));
        co_await try_(near.write("i"));
        std::string all(5, '\0');
        co_await try_(far.read_exact(all));
        EXPECT_EQ(all, "abcde");
        std::array<char, 3> three{};
        co_await try_(io::read_exact(far, three));
        EXPECT_EQ(std::string_view(three.data(), 3), "fgh");
        char one[4] = {};
        const std::size_t count = co_await try_(far.read(one));
        EXPECT_EQ(std::string_view(one, count), "i");
        co_return eddy::ok();
    });
}

// covers: P041
TEST(IoBuffer, TemporaryStringIsMovedIntoTheFuture) {
    with_pair([](eddy::net::unix_stream& near, eddy::net::unix_stream& far) -> task<result<void>> {
        const std::string large(200'000, 'x');
        auto small_write = near.write_all(std::string("small"));  // short strings keep their text in the object
        auto moved = std::move(small_write);
        co_await try_(moved);
        auto io_write = io::write_all(near, std::string("also small"));
        co_await try_(io_write);
        EXPECT_EQ(io_write.count(), 10u);
        std::string got(15, '\0');
        co_await try_(far.read_exact(got));
        EXPECT_EQ(got, "smallalso small");

        auto large_write = near.write_all(large + "!");
        std::string all(large.size() + 1, '\0');
        auto both = eddy::try_join(std::move(large_write), far.read_exact(all));
        co_await try_(both);
        EXPECT_EQ(all, large + "!");
        co_return eddy::ok();
    });
    eddy::net::unix_stream* none = nullptr;
    static_assert(!std::is_same_v<decltype(none->write_all(std::string())), decltype(none->write_all(""))>);
    static_assert(std::is_same_v<decltype(none->write_all(""sv)), decltype(none->write_all(""))>);
}

TEST(IoBuffer, ReadIntoAnEmptyContainerThrowsMisuse) {
    with_pair([](eddy::net::unix_stream& near, eddy::net::unix_stream&) -> task<result<void>> {
        std::string text;
        std::vector<std::byte> bytes;
        support::expect_misuse_here([&] { static_cast<void>(near.read(text)); });
        support::expect_misuse_here([&] { static_cast<void>(io::read(near, bytes)); });
        EXPECT_EQ(co_await try_(near.read(std::span(bytes))), 0u);
        co_await try_(near.read_exact(text));
        co_return eddy::ok();
    });
}

// ---- A buf_writer that is destroyed with bytes ----

/// Writes "hello" to a buf_writer, calls `then`, and returns what the destructor prints.
template <class Then>
std::string printed_by_buf_writer(Then then) {
    eddy::core core;
    const auto main = [&]() -> task<void> {
        auto ends = eddy::net::unix_stream::pair().value();
        io::buf_writer writer(std::move(ends.first));
        auto written = co_await io::write_all(writer, "hello"sv);
        EXPECT_TRUE(written.has_value());
        co_await then(writer);
    };
    testing::internal::CaptureStderr();
    try {
        core.run(main());
    } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): `then` has thrown it
    }
    return testing::internal::GetCapturedStderr();
}

TEST(BufWriter, DestructorReportsUnflushedBytes) {
    const auto nothing = [](auto&) -> task<void> { co_return; };
    const std::string printed = printed_by_buf_writer(nothing);
    if (EDDY_CHECKS) {
        EXPECT_EQ(printed.find("eddy: a buf_writer was destroyed with 5 bytes that it had not written: await"), 0u);
        EXPECT_TRUE(printed.contains("io_buffer_test.cpp:")) << printed;
    } else {
        EXPECT_EQ(printed, "");
    }
}

TEST(BufWriter, DestructorIsSilentAfterFlushMoveAndException) {
    const auto flush = [](auto& writer) -> task<void> {
        auto flushed = co_await io::flush(writer);
        EXPECT_TRUE(flushed.has_value());
    };
    EXPECT_EQ(printed_by_buf_writer(flush), "");
    const auto move = [](auto& writer) -> task<void> {
        auto moved = std::move(writer);
        auto flushed = co_await io::flush(moved);
        EXPECT_TRUE(flushed.has_value());
    };
    EXPECT_EQ(printed_by_buf_writer(move), "");
    const auto fail = [](auto&) -> task<void> {
        throw std::runtime_error("an exception leaves the scope");
        co_return;
    };
    EXPECT_EQ(printed_by_buf_writer(fail), "");
}

// covers: I20.3.8
TEST(IoBuffer, DatagramSocketsExchangeText) {
    eddy::core core;
    const auto talk = []() -> task<result<void>> {
        auto a = co_await try_(eddy::net::udp_socket::bind("127.0.0.1:0"));
        auto b = co_await try_(eddy::net::udp_socket::bind("127.0.0.1:0"));
        co_await try_(a.send_to("ping", b.local_addr().value()));
        std::string room(16, '\0');
        const auto got = co_await try_(b.recv_from(room));
        EXPECT_EQ(room.substr(0, got.size), "ping");
        co_await try_(b.connect(got.from));
        co_await try_(b.send(std::string_view("pong")));
        char back[16];
        const std::size_t size = co_await try_(a.recv(back));
        EXPECT_EQ(std::string_view(back, size), "pong");
        co_return eddy::ok();
    };
    const auto done = core.run(eddy::time::try_timeout(10s, talk()));
    EXPECT_TRUE(done.has_value()) << done.error().message();
}

}  // namespace
