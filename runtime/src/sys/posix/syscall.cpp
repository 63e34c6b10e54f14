// SPDX-License-Identifier: MIT
#include "sys/syscall.hpp"

#include <sys/types.h>

#if __has_include(<sys/event.h>)
#include <sys/event.h>
#endif

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sys/iovec_list.hpp"
#include "sys/new_fd.hpp"

namespace eddy::sys {
namespace {

result<std::pair<unique_fd, unique_fd>> own_both(const std::array<int, 2>& fds) noexcept {
    unique_fd first(fds[0]);
    unique_fd second(fds[1]);
    first.reset(above_standard(first.release()));
    if (!first) return std::unexpected(last_error());
    second.reset(above_standard(second.release()));
    if (!second) return std::unexpected(last_error());
    return std::pair(std::move(first), std::move(second));
}

result<unique_fd> make_socket(int family, int type) noexcept { return own_or_error(new_socket(family, type)); }

result<std::pair<unique_fd, unique_fd>> make_pair_of_sockets(int type) noexcept {
    std::array<int, 2> fds{};
    if (new_socket_pair(AF_UNIX, type, fds) != 0) return std::unexpected(last_error());
    return own_both(fds);
}

msghdr message_of(std::span<const iovec> buffers) noexcept {
    msghdr message{};
    // SAFETY: recvmsg(2) and sendmsg(2) only read the array. msg_iov lacks a const for historical reasons.
    message.msg_iov = const_cast<iovec*>(buffers.data());
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(iovec_count(buffers));
    return message;
}

/// Returns the address that `ask` reports. `ask` is getsockname(2) or getpeername(2).
template <class Ask>
result<native_addr> addr_from(int fd, Ask ask) noexcept {
    native_addr native;
    if (ask(fd, native.get(), &native.size) != 0) return std::unexpected(last_error());
    return native;
}

result<net::socket_addr> as_socket_addr(const result<native_addr>& native) noexcept {
    if (!native) return std::unexpected(native.error());
    return from_native(native->get(), native->size);
}

result<received> receive_datagram(int fd, std::span<std::byte> into, native_addr& from, int flags) noexcept {
    iovec buffer{into.data(), into.size()};
    msghdr message{};
    const auto count = retry_interrupted([&] {
        message = {};
        message.msg_name = from.get();
        message.msg_namelen = sizeof from.storage;
        message.msg_iov = &buffer;
        message.msg_iovlen = 1;
        return ::recvmsg(fd, &message, flags);
    });
    if (count < 0) return std::unexpected(last_error());
    from.size = message.msg_namelen;
    return received{static_cast<std::size_t>(count), (message.msg_flags & MSG_TRUNC) != 0};
}

/// Returns whether `fd` is a kqueue. It cannot have O_NONBLOCK, and does not need it.
bool is_kqueue([[maybe_unused]] int fd) noexcept {
#if __has_include(<sys/event.h>)
    const timespec at_once{};
    return ::kevent(fd, nullptr, 0, nullptr, 0, &at_once) == 0;
#else
    return false;
#endif
}

}  // namespace

int above_standard(int fd) noexcept {
    if (fd < 0 || fd > STDERR_FILENO) [[likely]]
        return fd;
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = errno;
    ::close(fd);
    errno = error;
    return copy;
}

bool is_file(int fd) noexcept {
    struct stat what{};
    return ::fstat(fd, &what) == 0 && (S_ISREG(what.st_mode) || S_ISDIR(what.st_mode));
}

result<bool> is_nonblocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return std::unexpected(last_error());
    return (flags & O_NONBLOCK) != 0 || is_kqueue(fd);
}

result<int> prepare_inherited(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return std::unexpected(last_error());
    static_cast<void>(::fcntl(fd, F_SETFD, FD_CLOEXEC));  // fails only if the descriptor is not open
    return flags;
}

void restore_inherited(int fd, int flags) noexcept {
    static_cast<void>(::fcntl(fd, F_SETFD, 0));
    static_cast<void>(::fcntl(fd, F_SETFL, flags));
}

result<int> access_mode(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return std::unexpected(last_error());
    return flags & O_ACCMODE;
}

result<bool> is_fifo(int fd) noexcept {
    struct stat about{};
    if (::fstat(fd, &about) != 0) return std::unexpected(last_error());
    return S_ISFIFO(about.st_mode);
}

result<void> check_pollable(int fd) noexcept {
    struct stat about{};
    if (::fstat(fd, &about) != 0) return std::unexpected(last_error());
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) {
        return std::unexpected(std::make_error_code(std::errc::operation_not_permitted));
    }
    return ok();
}

result<void> check_open(int fd) noexcept { return done_or_error(::fcntl(fd, F_GETFD)); }

result<unique_fd> open(const std::string& path, int mode) noexcept {
    auto made =
        own_or_error(retry_interrupted([&] { return ::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY); }));
    if (made) prevent_sigpipe(made->get());
    return made;
}

result<std::pair<unique_fd, unique_fd>> make_pipe() noexcept {
    std::array<int, 2> fds{};
    if (new_pipe(fds) != 0) return std::unexpected(last_error());
    return own_both(fds);
}

result<unique_fd> make_unread_pipe() noexcept {
    auto ends = make_pipe();
    if (!ends) return std::unexpected(ends.error());
    return std::move(ends->second);
}

result<void> replace_file(int fd, int by) noexcept { return done_or_error(new_copy(by, fd)); }

result<unique_fd> tcp_socket(ip_version version) noexcept {
    return make_socket(version == ip_version::v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
}

result<unique_fd> udp_socket(ip_version version) noexcept {
    return make_socket(version == ip_version::v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
}

result<unique_fd> unix_stream_socket() noexcept { return make_socket(AF_UNIX, SOCK_STREAM); }

result<unique_fd> unix_datagram_socket() noexcept { return make_socket(AF_UNIX, SOCK_DGRAM); }

result<std::pair<unique_fd, unique_fd>> unix_stream_pair() noexcept { return make_pair_of_sockets(SOCK_STREAM); }

result<std::pair<unique_fd, unique_fd>> unix_datagram_pair() noexcept { return make_pair_of_sockets(SOCK_DGRAM); }

result<void> bind(int fd, const native_addr& addr) noexcept { return done_or_error(::bind(fd, addr.get(), addr.size)); }

result<void> bind(int fd, const net::socket_addr& addr) noexcept { return bind(fd, to_native(addr)); }

result<void> listen(int fd, int backlog) noexcept { return done_or_error(::listen(fd, backlog)); }

result<accepted_fd> accept(int fd) noexcept {
    native_addr peer;
    const int accepted = retry_interrupted([&] {
        peer.size = sizeof peer.storage;
        return new_connection(fd, peer.get(), &peer.size);
    });
    auto owned = own_or_error(accepted);
    if (!owned) return std::unexpected(owned.error());
    return accepted_fd{std::move(*owned), peer};
}

std::error_code connect(int fd, const native_addr& addr) noexcept {
    if (::connect(fd, addr.get(), addr.size) == 0) return {};
    // The call is not repeated: after EINTR the connect continues, and a second call would return EALREADY
    // (connect(2)).
    if (errno == EINTR) return std::make_error_code(std::errc::operation_in_progress);
    return last_error();
}

std::error_code connect(int fd, const net::socket_addr& addr) noexcept { return connect(fd, to_native(addr)); }

result<void> shutdown(int fd, half which) noexcept {
    const auto how = [&] {
        switch (which) {
        case half::receiving: return SHUT_RD;
        case half::sending: return SHUT_WR;
        case half::both: break;
        }
        return SHUT_RDWR;
    }();
    return done_or_error(::shutdown(fd, how));
}

result<native_addr> native_local_addr(int fd) noexcept { return addr_from(fd, ::getsockname); }

result<native_addr> native_peer_addr(int fd) noexcept { return addr_from(fd, ::getpeername); }

result<net::socket_addr> local_addr(int fd) noexcept { return as_socket_addr(native_local_addr(fd)); }

result<net::socket_addr> peer_addr(int fd) noexcept { return as_socket_addr(native_peer_addr(fd)); }

result<std::optional<std::error_code>> take_error(int fd) noexcept {
    const auto code = get_option<int>(fd, SOL_SOCKET, SO_ERROR);
    if (!code) return std::unexpected(code.error());
    if (*code == 0) return std::optional<std::error_code>();
    return std::error_code(*code, std::generic_category());
}

result<std::size_t> peek(int fd, std::span<std::byte> into) noexcept {
    return count_or_error(
        retry_interrupted([&] { return ::recv(fd, into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT); }));
}

result<std::size_t> send_without_waiting(int fd, std::span<const std::byte> from) noexcept {
    return count_or_error(
        retry_interrupted([&] { return ::send(fd, from.data(), from.size(), without_sigpipe | MSG_DONTWAIT); }));
}

result<received> recv_from(int fd, std::span<std::byte> into, native_addr& from) noexcept {
    return receive_datagram(fd, into, from, 0);
}

result<received> peek_from(int fd, std::span<std::byte> into, native_addr& from) noexcept {
    return receive_datagram(fd, into, from, MSG_PEEK);
}

result<std::size_t> send_to(int fd, std::span<const std::byte> from, const native_addr& to) noexcept {
    return count_or_error(
        retry_interrupted([&] { return ::sendto(fd, from.data(), from.size(), without_sigpipe, to.get(), to.size); }));
}

result<std::size_t> read(int fd, std::span<std::byte> into) noexcept {
    return count_or_error(retry_interrupted([&] { return ::read(fd, into.data(), into.size()); }));
}

result<std::size_t> read_vectored(int fd, std::span<const iovec> into) noexcept {
    return count_or_error(retry_interrupted([&] { return ::readv(fd, into.data(), iovec_count(into)); }));
}

result<std::size_t> recv_vectored(int fd, std::span<const iovec> into) noexcept {
    msghdr message = message_of(into);
    return count_or_error(retry_interrupted([&] { return ::recvmsg(fd, &message, 0); }));
}

result<std::size_t> send_vectored(int fd, std::span<const iovec> from) noexcept {
    const msghdr message = message_of(from);
    return count_or_error(retry_interrupted([&] { return ::sendmsg(fd, &message, without_sigpipe); }));
}

// ---- Descriptors in messages ----

namespace {

#ifdef MSG_CMSG_CLOEXEC
constexpr int recv_close_on_exec = MSG_CMSG_CLOEXEC;
#else
constexpr int recv_close_on_exec = 0;  // macOS has no such flag
#endif

/// Room for the descriptors of a message.
struct alignas(cmsghdr) fds_room {
    std::array<std::byte, CMSG_SPACE(most_sent_fds * sizeof(int))> bytes;
};

}  // namespace

result<std::size_t> send_with_fds(int fd, std::span<const std::byte> from, std::span<const int> fds) noexcept {
    if (fds.size() > most_sent_fds) return std::unexpected(std::make_error_code(std::errc::argument_list_too_long));
    // SAFETY: sendmsg(2) only reads the bytes.
    const iovec bytes{const_cast<std::byte*>(from.data()), from.size()};
    msghdr message = message_of(std::span(&bytes, 1));
    fds_room room{};
    if (!fds.empty()) {
        message.msg_control = room.bytes.data();
        message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(fds.size_bytes()));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(fds.size_bytes()));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    return count_or_error(retry_interrupted([&] { return ::sendmsg(fd, &message, without_sigpipe); }));
}

result<std::size_t> recv_with_fds(int fd, std::span<std::byte> into, std::vector<unique_fd>& fds) {
    const iovec bytes{into.data(), into.size()};
    msghdr message = message_of(std::span(&bytes, 1));
    fds_room room{};
    message.msg_control = room.bytes.data();
    message.msg_controllen = room.bytes.size();
    fds.reserve(most_sent_fds);  // after the call, no descriptor may be lost for a lack of memory
    const auto count = count_or_error(retry_interrupted([&] { return ::recvmsg(fd, &message, recv_close_on_exec); }));
    if (!count) return count;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = 0; at + sizeof(int) <= header->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int received = -1;
            std::memcpy(&received, CMSG_DATA(header) + at, sizeof received);
            if constexpr (recv_close_on_exec == 0) ::fcntl(received, F_SETFD, FD_CLOEXEC);
            fds.emplace_back(above_standard(received));
        }
    }
    const bool has_all = std::ranges::all_of(fds, [](const unique_fd& one) { return static_cast<bool>(one); });
    if ((message.msg_flags & MSG_CTRUNC) != 0 || !has_all) {
        fds.clear();
        return std::unexpected(std::make_error_code(std::errc::too_many_files_open));
    }
    return count;
}

}  // namespace eddy::sys
