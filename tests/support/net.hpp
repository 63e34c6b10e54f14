// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>
#include <support/gate.hpp>
#include <support/limit.hpp>
#include <support/repeated.hpp>

// The peer of a connection, without eddy: plain blocking sockets. Failures throw exceptions.

namespace support {

using namespace std::chrono_literals;

inline std::span<const std::byte> bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }
inline std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Returns the open descriptors of this process.
inline std::vector<int> open_fds() {
    std::vector<int> fds;
#if defined(__linux__) || defined(_WIN32)
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) throw std::runtime_error("there is no /proc/self/fd");
    while (const dirent* entry = ::readdir(folder)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != ::dirfd(folder)) fds.push_back(fd);
    }
    ::closedir(folder);
#else
    for (int fd = 0; fd < ::getdtablesize(); ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) fds.push_back(fd);
    }
#endif
    return fds;
}
inline std::size_t fd_count() { return open_fds().size(); }

/// Checks in the destructor that as many descriptors are open as in the constructor. Declare it before an event loop to
/// which other threads send: a thread that has just woken the loop keeps the loop's descriptors open for a short time,
/// and the next test would count these descriptors.
class leaves_no_descriptor {
public:
    leaves_no_descriptor() = default;
    leaves_no_descriptor(const leaves_no_descriptor&) = delete;
    leaves_no_descriptor& operator=(const leaves_no_descriptor&) = delete;
    ~leaves_no_descriptor() {
        EXPECT_TRUE(comes_true([this] { return fd_count() == before_; }))
            << fd_count() << " descriptors, expected " << before_;
    }

private:
    std::size_t before_ = fd_count();
};

/// While an instance exists, the process may open only `more` additional descriptors.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t more) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        // UBSan opens a pipe when it checks an object with a vtable for the first time. Trigger that before the limit
        // applies.
        if (std::make_error_code(std::errc::io_error) != std::errc::io_error) throw std::logic_error("unequal");
        if (make_error_code(eddy::errc::no_address) != std::errc::invalid_argument) throw std::logic_error("unequal");
        // The limit applies to descriptor numbers, not to their count. Fill the gaps below the highest number first.
        const auto fds = open_fds();
        const int highest = *std::ranges::max_element(fds);
        for (int fd = 0; fd < highest; ++fd) {
            if (std::ranges::find(fds, fd) == fds.end()) fillers_.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        }
        set(static_cast<rlim_t>(highest) + 1 + more);
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() {
        lift();
        for (const int fd : fillers_) ::close(fd);
    }
    void lift() const noexcept { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    void set(rlim_t soft) const {
        rlimit limit = before_;
        limit.rlim_cur = soft;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit failed");
    }
    rlimit before_{};
    std::vector<int> fillers_;
};

/// A blocking socket. Its reads and writes time out after 10 s.
class raw_socket {
public:
    explicit raw_socket(int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) : fd_(fd) {
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "raw_socket");
        const timeval limit{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    raw_socket& operator=(raw_socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~raw_socket() { close(); }

    [[nodiscard]] static raw_socket listening(int backlog = 128) {
        raw_socket made;
        made.bind(0);
        if (::listen(made.fd_, backlog) != 0) throw std::runtime_error("listen failed");
        return made;
    }
    [[nodiscard]] static raw_socket connected(const eddy::net::socket_addr& to) {
        raw_socket made;
        made.connect(to);
        return made;
    }

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void close() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    void bind(std::uint16_t port) const {
        const sockaddr_in native = loopback(port);
        if (::bind(fd_, reinterpret_cast<const sockaddr*>(&native), sizeof native) != 0) {
            throw std::system_error(errno, std::generic_category(), "bind");
        }
    }
    void connect(const eddy::net::socket_addr& to) const {
        const sockaddr_in native = loopback(to.port());
        // On a thread that has used a ring, connect(2) may fail with EINTR, see repeated(). The kernel continues to
        // connect. The next call waits for the connection, or fails with EISCONN if it is established already.
        const auto done =
            repeated([&] { return ::connect(fd_, reinterpret_cast<const sockaddr*>(&native), sizeof native); });
        if (done != 0 && errno != EINPROGRESS && errno != EISCONN) {
            throw std::system_error(errno, std::generic_category(), "connect");
        }
    }
    [[nodiscard]] raw_socket accept() const {
        return raw_socket(repeated([this] { return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }));
    }

    [[nodiscard]] eddy::net::socket_addr addr() const {
        sockaddr_in native{};
        socklen_t size = sizeof native;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&native), &size);
        return {eddy::net::ip_addr::v4_loopback(), ntohs(native.sin_port)};
    }

    void set_nonblocking() const { ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK); }

    void send(std::span<const std::byte> bytes) const {
        while (!bytes.empty()) {
            const auto count = repeated([&] { return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
            if (count < 0) throw std::system_error(errno, std::generic_category(), "send");
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
    }
    void send(std::string_view text) const { send(bytes_of(text)); }
    void send_urgent(char byte) const { ::send(fd_, &byte, 1, MSG_OOB | MSG_NOSIGNAL); }

    /// Receives until there are `size` bytes or the stream ends.
    [[nodiscard]] std::string receive(std::size_t size) const {
        std::string got(size, '\0');
        std::size_t filled = 0;
        while (filled < size) {
            const auto count = repeated([&] { return ::recv(fd_, got.data() + filled, size - filled, 0); });
            if (count < 0) throw std::system_error(errno, std::generic_category(), "recv");
            if (count == 0) break;
            filled += static_cast<std::size_t>(count);
        }
        got.resize(filled);
        return got;
    }

    void shutdown(int how = SHUT_WR) const { ::shutdown(fd_, how); }

    /// Closes with a reset instead of an orderly shutdown.
    void reset() {
        const ::linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }

    /// Waits until the kernel reports `events` for this socket.
    void wait_for(short events) const {
        pollfd wanted{fd_, events, 0};
        if (repeated([&] { return ::poll(&wanted, 1, 10'000); }) != 1)
            throw std::runtime_error("waited 10 s for a socket");
    }

private:
    static sockaddr_in loopback(std::uint16_t port) noexcept {
        sockaddr_in native{};
        native.sin_family = AF_INET;
        native.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        native.sin_port = htons(port);
        return native;
    }

    int fd_;
};

/// A connection: the eddy stream, which is not registered yet, and its peer.
struct connection {
    eddy::net::tcp_stream stream;
    raw_socket peer;

    connection() : connection(raw_socket::listening()) {}

private:
    explicit connection(const raw_socket& listener) : connection(raw_socket::connected(listener.addr()), listener) {}
    connection(raw_socket&& made, const raw_socket& listener)
        : stream(adopted(listener.accept())), peer(std::move(made)) {}

    static eddy::net::tcp_stream adopted(raw_socket accepted) {
        accepted.set_nonblocking();
        return eddy::net::tcp_stream::from_native(accepted.release()).value();
    }
};

/// Returns whether connections to the address are refused.
inline bool refuses(const eddy::net::socket_addr& at) {
    try {
        static_cast<void>(raw_socket::connected(at));
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_refused;
    }
    return false;
}

/// Returns an address without a listener.
eddy::net::socket_addr closed_addr();

/// A listener that does not answer because its queue is full. A connect stays pending until drain(), and then until the
/// kernel repeats the SYN, at most one second later.
class full_listener {
public:
    full_listener() : listener_(raw_socket::listening(0)) {
        for (;;) {
            raw_socket one;
            one.set_nonblocking();
            one.connect(listener_.addr());
            pollfd wanted{one.fd(), POLLOUT, 0};
            const bool answered = ::poll(&wanted, 1, 50) == 1;
            queued_.push_back(std::move(one));
            if (!answered) break;
        }
    }
    [[nodiscard]] eddy::net::socket_addr addr() const { return listener_.addr(); }
    void drain() {
        queued_.back().close();  // the connection without an answer
        for (std::size_t i = 0; i + 1 < queued_.size(); ++i) accepted_.push_back(listener_.accept());
    }

private:
    raw_socket listener_;
    std::vector<raw_socket> queued_;
    std::vector<raw_socket> accepted_;
};

/// Returns the text that this system has for an error. MinGW's C library has none for many errors.
inline std::string message_of(std::errc error) { return std::make_error_code(error).message(); }

/// Runs `work` on `core` and returns its output. Throws after `limit`, or after operation_limit() if that is longer, as
/// in a soak.
template <class F>
eddy::output_t<std::remove_cvref_t<F>> within(eddy::core& core, F&& work,
                                              std::chrono::seconds limit = operation_limit()) {
    auto limited = eddy::time::timeout(std::max(limit, operation_limit()), std::forward<F>(work));
    auto answer = core.run(std::move(limited));
    if (!answer) throw std::runtime_error("the time limit of the test is exceeded");
    if constexpr (!std::is_void_v<eddy::output_t<std::remove_cvref_t<F>>>) return *std::move(answer);
}

namespace detail {
inline std::chrono::nanoseconds clock_time(clockid_t which) {
    timespec used{};
    ::clock_gettime(which, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}
}  // namespace detail

/// Returns the processor time of this process, or of this thread.
inline std::chrono::nanoseconds cpu_time() { return detail::clock_time(CLOCK_PROCESS_CPUTIME_ID); }
inline std::chrono::nanoseconds thread_cpu_time() { return detail::clock_time(CLOCK_THREAD_CPUTIME_ID); }

// The following coroutines are defined in coroutines.cpp, because GCC compiles an inline coroutine, and all that it
// calls, in each translation unit, even if nothing calls it.

/// Returns the result of one read of at most 64 bytes: the bytes, or the error as text.
eddy::task<std::string> read_some(eddy::net::tcp_stream& stream);

/// Writes until the socket accepts no more bytes, first in large and then in small pieces. Returns the number of
/// accepted bytes.
eddy::task<std::size_t> fill(eddy::net::tcp_stream& stream);

/// Reads once from the stream and then calls fill(). The read registers the stream with the driver.
eddy::task<std::size_t> read_and_fill(eddy::net::tcp_stream& stream);

}  // namespace support
