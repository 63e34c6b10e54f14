// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/sys/poll.hpp>

#include "support/system.hpp"

// Descriptors and threads for the tests of the selector. Programs may use the selector and no other part of eddy, so
// these tests do not use eddy's sockets.

namespace support {

/// Much longer than any test takes.
inline constexpr auto deadline = std::chrono::seconds(20);

class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {
        if (fd < 0) throw std::system_error(errno, std::generic_category());
    }
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    operator int() const { return fd_; }

private:
    int fd_ = -1;
};

struct pair {
    descriptor ours;
    descriptor theirs;
};

inline pair unix_pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return {};
    return {descriptor(fds[0]), descriptor(fds[1])};
}

/// Returns a pipe. `ours` is its reading end.
inline pair pipe_pair() {
    int fds[2];
    if (::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return {};
    return {descriptor(fds[0]), descriptor(fds[1])};
}

inline pair tcp_pair() {
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof addr;
    auto* const native = reinterpret_cast<sockaddr*>(&addr);

    const descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener, native, size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, native, &size), 0);
    EXPECT_EQ(::connect(client, native, size), 0);
    return {std::move(client), descriptor(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC))};
}

inline void send_text(int fd, std::string_view text, int flags = 0) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), flags | MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

/// A thread that is inside one wait() when the constructor returns.
class waiting_thread {
public:
    waiting_thread(eddy::sys::poll& queue, std::optional<std::chrono::nanoseconds> timeout)
        : thread_([this, &queue, timeout] {
              id_ = ::gettid();
              id_.notify_one();
              eddy::sys::events buffer(8);
              count_ = queue.wait(buffer, timeout).value_or(99);
              ended_ = true;
          }) {
        id_.wait(0);
        wait_until_blocked();
    }
    ~waiting_thread() { join(); }

    [[nodiscard]] bool ended() const { return ended_; }
    void signal(int number) { ::pthread_kill(thread_.native_handle(), number); }
    /// Waits until the thread is blocked in the kernel, or its wait has ended.
    void wait_until_blocked() const {
        const auto give_up = std::chrono::steady_clock::now() + deadline;
        while (!ended_ && !is_asleep(id_) && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    }

    /// Waits for the thread and returns the number of events that its wait() returned.
    std::size_t join() {
        if (thread_.joinable()) thread_.join();
        return count_;
    }

private:
    std::atomic<pid_t> id_ = 0;
    std::atomic<bool> ended_ = false;
    std::size_t count_ = 0;
    std::thread thread_;
};

}  // namespace support
