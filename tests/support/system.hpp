// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "support/limit.hpp"
#include "support/process_state.hpp"
#include "support/repeated.hpp"

// Operating system resources and information for tests: descriptors, and the state of this process.

namespace support {

/// Whether ThreadSanitizer is on. Clang's ThreadSanitizer cannot start threads in the child of a process with several
/// threads.
inline constexpr bool under_thread_sanitizer =
#if defined(__SANITIZE_THREAD__)
    true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    true;
#else
    false;
#endif
#else
    false;
#endif

/// Owns a descriptor. A source for registrations.
class owned_fd {
public:
    explicit owned_fd(int fd) : fd_(fd) {
        if (fd < 0) throw std::system_error(errno, std::generic_category(), "owned_fd");
    }
    owned_fd(owned_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    owned_fd& operator=(owned_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~owned_fd() { close(); }

    [[nodiscard]] int native_handle() const noexcept { return fd_; }
    [[nodiscard]] owned_fd duplicate() const { return owned_fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }
    void close() noexcept {
        if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
    }

    /// Writes `count` bytes and returns how many were accepted.
    std::size_t write(std::size_t count = 1) const {
        const std::string bytes(count, 'x');
        const auto written = ::write(fd_, bytes.data(), count);
        return written < 0 ? 0 : static_cast<std::size_t>(written);
    }

    [[nodiscard]] eddy::result<std::size_t> read(std::size_t most = 1) const {
        std::string into(most, '\0');
        const auto got = ::read(fd_, into.data(), most);
        if (got < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
        return static_cast<std::size_t>(got);
    }

private:
    int fd_;
};

/// A user-defined source, as in the chapter "Under the hood": a counter that is readable while it is not zero.
class counter {
public:
    counter() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

    [[nodiscard]] int native_handle() const noexcept { return fd_.native_handle(); }

    void add(std::uint64_t more = 1) const {
        if (::write(native_handle(), &more, sizeof more) != sizeof more) throw std::runtime_error("eventfd: write");
    }
    [[nodiscard]] eddy::result<std::uint64_t> take() const {
        std::uint64_t value = 0;
        if (::read(native_handle(), &value, sizeof value) == sizeof value) return value;
        return std::unexpected(std::error_code(errno, std::generic_category()));
    }

private:
    owned_fd fd_;
};

/// Two connected ends in non-blocking mode.
struct fd_pair {
    owned_fd reader;
    owned_fd writer;

    fd_pair(int first, int second) : reader(first), writer(second) {}
};

inline fd_pair make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    return {ends[0], ends[1]};
}

/// Returns a pair in which both ends can read and write.
inline fd_pair make_socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    return {ends[0], ends[1]};
}

/// Returns whether the kernel reports that the epoll instance watches `fd`.
inline bool is_watched(int epoll_fd, int fd) {
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(epoll_fd));
    std::string word;
    while (info >> word) {
        int watched = -1;
        if (word == "tfd:" && info >> watched && watched == fd) return true;
    }
    return false;
}

/// Waits until the thread sleeps in the kernel.
inline void wait_until_asleep(pid_t thread) {
    while (!is_asleep(thread)) std::this_thread::yield();
}

/// While an instance exists, the process can open only `spare` additional descriptors.
class few_descriptors {
public:
    explicit few_descriptors(std::size_t spare) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        // A new descriptor's number must be below the limit. So fill all free numbers below it.
        const rlimit lower{256, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &lower);
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) filling_.emplace_back(fd);
        while (spare-- > 0) filling_.pop_back();
    }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
    std::vector<owned_fd> filling_;
};

/// Runs `f` in a forked child that exits immediately afterwards, and returns the result of `f`. Also returns false if
/// the child crashes or hangs.
template <class Fn>
bool is_true_in_child(Fn f) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(operation_seconds());
        bool is_well = false;
        try {
            is_well = f();
        } catch (...) {  // NOLINT(bugprone-empty-catch): returns false
        }
        ::_exit(is_well ? 0 : 1);
    }
    int status = -1;
    const pid_t ended = repeated([&] { return ::waitpid(child, &status, 0); });
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace support
