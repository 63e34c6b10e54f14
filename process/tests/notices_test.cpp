// SPDX-License-Identifier: MIT
#include "sys/notices.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>

#include <support/net.hpp>
#include <support/system.hpp>

namespace {

namespace sys = eddy::sys;

/// Sends a message with a descriptor to a socket with a name as NOTIFY_SOCKET has it.
void send_with_descriptor(const std::string& name, std::string text, int fd) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::ranges::copy(name, to.sun_path);
    to.sun_path[0] = '\0';
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    const sys::unique_fd from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::sendmsg(from.get(), &message, 0), static_cast<ssize_t>(text.size()));
}

TEST(Notices, SocketIsOfThisProcessAndDoesNotBlock) {
    const support::leaves_no_descriptor unchanged;
    const auto socket = sys::make_notice_socket().value();
    EXPECT_EQ(::fcntl(socket.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_NE(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(sys::receive_notice(socket.get(), 1).error(), std::errc::operation_would_block);
    const auto name = sys::name_of_notice_socket(socket.get()).value();
    EXPECT_EQ(name.size(), 6U);
    send_with_descriptor(name, std::string("READY=1\nX=\0y", 12), socket.get());
    EXPECT_EQ(sys::receive_notice(socket.get(), 1).value(), std::string("READY=1\nX=\0y", 12));
    EXPECT_EQ(sys::name_of_notice_socket(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(sys::receive_notice(-1, 1).error(), std::errc::bad_file_descriptor);
}

TEST(Notices, MemoryFileHasTheContentsForThisProcessOnly) {
    const support::leaves_no_descriptor unchanged;
    for (const std::size_t size : {0, 1, 100'000, 5'000'000}) {
        std::string contents(size, 'x');
        if (size != 0) contents.back() = '\0';
        const auto file = sys::make_memory_file(contents).value();
        EXPECT_EQ(::fcntl(file.get(), F_GETFD), FD_CLOEXEC);
        EXPECT_EQ(sys::read_whole_file(file.get()).value(), contents);
    }
    EXPECT_EQ(sys::read_whole_file(-1).error(), std::errc::bad_file_descriptor);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    EXPECT_EQ(sys::read_whole_file(pipe[0]).value(), "");  // has no size
    for (const int end : pipe) ::close(end);
}

}  // namespace
