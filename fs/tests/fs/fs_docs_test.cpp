// SPDX-License-Identifier: MIT
// The program of docs/coming-from-sockets.md that sends a file.
// covers: I20.6.8
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
namespace io = eddy::io;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: file
/// Sends a file.
task<result<void>> send_file(net::tcp_stream to, std::filesystem::path path) {
    auto file = co_await try_(fs::file::open(std::move(path)));
    co_await try_(fs::send_file(to, file));
    co_return co_await to.shutdown();  // shutdown(SHUT_WR); the destructor closes the socket
}
// docs: end

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
