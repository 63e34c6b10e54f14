// SPDX-License-Identifier: MIT
// The program of docs/coming-from-sockets.md that sends a file, and the code of fs/docs/files.md.
// covers: I20.6.8
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
namespace io = eddy::io;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;
using namespace std::chrono_literals;

// docs: file
/// Sends a file.
task<result<void>> send_file(net::tcp_stream to, std::filesystem::path path) {
    auto file = co_await try_(fs::file::open(std::move(path)));
    co_await try_(fs::send_file(to, file));
    co_return co_await to.shutdown();  // shutdown(SHUT_WR); the destructor closes the socket
}
// docs: end

// docs: send for a second
/// Sends a part of a file, for a second at most. Returns the part that was not sent.
template <class W>
task<result<fs::file_range>> send_for_a_second(W& to, const fs::file& from, fs::file_range part) {
    auto sending = fs::send_file(to, from, part);
    const auto done = co_await eddy::time::timeout(1s, std::ref(sending));
    if (done && !*done) co_return std::unexpected(done->error());
    co_return fs::file_range(part.offset + sending.sent(), part.size - sending.sent());
}
// docs: end

TEST(FilesDocs, DroppedSendFileIsContinued) {
    const support::temp_dir dir;
    std::ofstream(dir / "file", std::ios::binary) << "0123456789";
    eddy::test::run_paused([&]() -> task<void> {
        auto opened = co_await fs::file::open(dir / "file");
        auto [sender, receiver] = io::duplex(4);
        auto left = co_await send_for_a_second(sender, *opened, fs::file_range(1, 8));
        EXPECT_EQ(left.value().offset, 5U);
        EXPECT_EQ(left.value().size, 4U);
        std::string text(4, '\0');
        const auto first = co_await io::read_exact(receiver, text);
        EXPECT_TRUE(first);
        EXPECT_EQ(text, "1234");
        left = co_await send_for_a_second(sender, *opened, *left);
        EXPECT_EQ(left.value().size, 0U);
        const auto rest = co_await io::read_exact(receiver, text);
        EXPECT_TRUE(rest);
        EXPECT_EQ(text, "5678");
    });
}

TEST(SocketsDocs, FileArrivesComplete) {
    const support::temp_dir dir;
    std::string content;
    for (int line = 0; line < 30'000; ++line) content += std::to_string(line) + "\n";
    std::ofstream(dir / "file", std::ios::binary) << content;
    const auto transfer = [&]() -> task<result<std::string>> {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        auto receiver = co_await try_(net::tcp_stream::connect(listener.local_addr().value()));
        auto sender = co_await try_(listener.accept());
        auto sent = eddy::spawn(send_file(std::move(sender.stream), dir / "file"));
        auto received = co_await try_(io::read_to_string(receiver));
        co_await try_(co_await try_(sent));
        co_return received;
    };
    eddy::core loop;
    const auto received = loop.run(transfer());
    ASSERT_TRUE(received.has_value()) << received.error().message();
    EXPECT_TRUE(*received == content) << received->size() << " bytes";
}

}  // namespace
