// SPDX-License-Identifier: MIT
// Descriptors in the messages of Unix streams (SCM_RIGHTS).
// runs: asan
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "support/net.hpp"
#include "support/runtime/more_descriptors.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = eddy::net;
using support::bytes_of;
using support::text_of;
using support::within;

/// Two connected streams, and room for what one of them receives.
struct connected {
    connected() : ends(net::unix_stream::pair().value()) {}

    eddy::result<std::size_t> send(const std::string& text, std::vector<int> fds) {
        return within(core, ends.first.send_fds(text, std::move(fds)));
    }
    eddy::result<net::received_fds> receive() { return within(core, ends.second.recv_fds(room)); }
    [[nodiscard]] std::string text(std::size_t count) const { return text_of(std::span(room).first(count)); }

    eddy::core core;
    net::unix_stream_pair ends;
    std::array<std::byte, 64> room{};
};

bool are_same(int a, int b) {
    struct stat first{};
    struct stat second{};
    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

TEST(UnixFds, ArriveWithTheirBytesInOrder) {
    const support::leaves_no_descriptor guard;
    connected both;
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    EXPECT_EQ(both.send("ends of a pipe", {pipe[0], pipe[1]}), 14u);
    auto got = both.receive().value();
    EXPECT_EQ(both.text(got.bytes), "ends of a pipe");
    ASSERT_EQ(got.fds.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(are_same(got.fds[i].native_handle(), pipe[i]));
        EXPECT_NE(got.fds[i].native_handle(), pipe[i]);
        EXPECT_NE(::fcntl(got.fds[i].native_handle(), F_GETFD) & FD_CLOEXEC, 0);
        ::close(pipe[i]);
    }
    EXPECT_EQ(::write(got.fds[1].native_handle(), "x", 1), 1);
    char one = 0;
    EXPECT_EQ(::read(got.fds[0].native_handle(), &one, 1), 1);
}

TEST(UnixFds, MessagesWithAndWithoutDescriptorsMix) {
    const support::leaves_no_descriptor guard;
    connected both;
    EXPECT_EQ(both.send("none", {}), 4u);
    within(both.core, both.ends.first.write_all("plain")).value();
    EXPECT_EQ(both.send("one", {0}), 3u);
    std::string all;
    std::size_t count = 0;
    while (all.size() < 12) {
        auto got = both.receive().value();
        all += both.text(got.bytes);
        EXPECT_TRUE(got.fds.empty() || all.starts_with("noneplaino")) << "later than the bytes before them: " << all;
        count += got.fds.size();
    }
    EXPECT_EQ(all, "noneplainone");
    EXPECT_EQ(count, 1u);
    within(both.core, both.ends.first.shutdown()).value();
    EXPECT_EQ(both.receive().value().bytes, 0u) << "the end of the stream";
}

TEST(UnixFds, DroppedSendHasSentNothing) {
    const support::leaves_no_descriptor guard;
    connected both;
    const std::string large(1 << 20, 'x');
    while (both.ends.first.try_write(large)) {
    }
    {
        auto waiting = eddy::time::timeout(20ms, both.ends.first.send_fds("y", {0}));
        EXPECT_FALSE(both.core.run(std::move(waiting))) << "the socket is full";
    }
    within(both.core, both.ends.first.shutdown()).value();
    std::string last;
    for (;;) {
        const auto got = both.receive().value();
        EXPECT_TRUE(got.fds.empty());
        if (got.bytes == 0) break;
        last = both.text(got.bytes);
    }
    EXPECT_EQ(last.back(), 'x');
}

TEST(UnixFds, DroppedReceiveLosesNothing) {
    const support::leaves_no_descriptor guard;
    connected both;
    {
        auto waiting = eddy::time::timeout(20ms, both.ends.second.recv_fds(both.room));
        EXPECT_FALSE(both.core.run(std::move(waiting)));
    }
    EXPECT_EQ(both.send("later", {0}), 5u);
    const auto got = both.receive().value();
    EXPECT_EQ(both.text(got.bytes), "later");
    EXPECT_EQ(got.fds.size(), 1u);
}

TEST(UnixFds, WrongArgumentsAreErrors) {
    const support::leaves_no_descriptor guard;
    connected both;
    EXPECT_EQ(both.send("", {0}).error(), std::errc::invalid_argument);
    EXPECT_EQ(both.send("x", {-1}).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(both.send("x", std::vector<int>(254, 0)).error(), std::errc::argument_list_too_long);
    EXPECT_EQ(both.send("most", std::vector<int>(253, 0)), 4u);
    EXPECT_EQ(both.receive().value().fds.size(), 253u);
}

#ifdef __linux__
// covers: R094
TEST(UnixFds, ThatTheProcessCannotHaveAreClosed) {
    const support::leaves_no_descriptor guard;
    connected both;
    EXPECT_EQ(both.send("three", {0, 0, 0}), 5u);
    {
        const support::descriptor_limit two(2);
        EXPECT_EQ(both.receive().error(), std::errc::too_many_files_open);
    }
    EXPECT_EQ(both.send("one", {0}), 3u);
    EXPECT_EQ(both.receive().value().fds.size(), 1u) << "the stream goes on";
}
#endif

// Python is the judge: it sends and receives by its own implementation.
TEST(UnixFds, PythonReceivesAndSendsThem) {
    connected both;
    const int child_end = ::fcntl(both.ends.second.native_handle(), F_DUPFD, 3);
    ::fcntl(child_end, F_SETFL, ::fcntl(child_end, F_GETFL) & ~O_NONBLOCK);
    const std::string script =
        "import socket, os; s = socket.socket(fileno=" + std::to_string(child_end) +
        "); m, f, _, _ = socket.recv_fds(s, 64, 4); r, w = os.pipe(); os.write(f[0], m.upper()); "
        "os.write(w, b'from Python'); socket.send_fds(s, [b'a pipe'], [r])";
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::execlp("python3", "python3", "-c", script.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(child_end);
    EXPECT_EQ(both.send("hello", {pipe[1]}), 5u);
    auto got = within(both.core, both.ends.first.recv_fds(both.room)).value();
    EXPECT_EQ(both.text(got.bytes), "a pipe");
    ASSERT_EQ(got.fds.size(), 1u);
    std::array<char, 64> said{};
    EXPECT_EQ(std::string(said.data(), static_cast<std::size_t>(::read(pipe[0], said.data(), said.size()))), "HELLO");
    const auto count = ::read(got.fds[0].native_handle(), said.data(), said.size());
    EXPECT_EQ(std::string(said.data(), static_cast<std::size_t>(count)), "from Python");
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    ::close(pipe[0]);
    ::close(pipe[1]);
}

}  // namespace
