// SPDX-License-Identifier: MIT
#include "sys/syscall.hpp"

#include <algorithm>
#include <array>
#include <climits>

#include "sys/iovec_list.hpp"
#include "sys/new_fd.hpp"
#include "sys/socket_kind.hpp"
#include "sys/windows/winsock.hpp"

// On Windows the descriptors of this library are sockets. The descriptors of eddy::fs are handles of files.

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> not_on_windows() noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

int size_of(std::size_t size) noexcept { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

// SAFETY: Winsock declares its buffers as char, which may alias all types. It only reads through the second pointer.
char* chars_of(std::span<std::byte> bytes) noexcept { return reinterpret_cast<char*>(bytes.data()); }
const char* chars_of(std::span<const std::byte> bytes) noexcept { return reinterpret_cast<const char*>(bytes.data()); }

/// Sets the flags that a new socket has on other systems. Closes it after an error.
SOCKET with_flags(SOCKET made) noexcept {
    if (made == INVALID_SOCKET) return made;
    unsigned long on = 1;
    // The flag of WSASocketW() and this call do the same. accept() has no such flag.
    ::SetHandleInformation(reinterpret_cast<HANDLE>(made), HANDLE_FLAG_INHERIT, 0);
    if (::ioctlsocket(made, static_cast<long>(FIONBIO), &on) == 0) return made;
    const int error = ::WSAGetLastError();
    ::closesocket(made);
    ::WSASetLastError(error);
    return INVALID_SOCKET;
}

/// The buffers of a vectored call in the order that Winsock requires.
class buffer_list {
public:
    explicit buffer_list(std::span<const iovec> buffers) noexcept : count_(static_cast<DWORD>(iovec_count(buffers))) {
        for (std::size_t i = 0; i != count_; ++i) {
            const auto size = static_cast<ULONG>(size_of(buffers[i].iov_len));
            list_[i] = {size, static_cast<char*>(buffers[i].iov_base)};
        }
    }
    [[nodiscard]] WSABUF* data() noexcept { return list_.data(); }
    [[nodiscard]] DWORD count() const noexcept { return count_; }

private:
    std::array<WSABUF, most_iovecs> list_;
    DWORD count_;
};

result<std::size_t> receive(int fd, std::span<std::byte> into, int flags) noexcept {
    const int count = ::recv(to_socket(fd), chars_of(into), size_of(into.size()), flags);
    if (count >= 0) return static_cast<std::size_t>(count);
    // A part of a datagram was received. Other systems report only the size of that part.
    if (::WSAGetLastError() == WSAEMSGSIZE) return into.size();
    return std::unexpected(last_error());
}

result<received> receive_datagram(int fd, std::span<std::byte> into, native_addr& from, int flags) noexcept {
    from.size = sizeof from.storage;
    const int count = ::recvfrom(to_socket(fd), chars_of(into), size_of(into.size()), flags, from.get(), &from.size);
    if (count >= 0) return received{static_cast<std::size_t>(count), false};
    if (::WSAGetLastError() == WSAEMSGSIZE) return received{into.size(), true};
    return std::unexpected(last_error());
}

/// Returns the address of a socket that is not bound, for which getsockname() reports an error on Windows: zeros.
result<native_addr> unbound_addr(int fd) noexcept {
    const auto v6 = is_ipv6(fd);
    if (!v6) return std::unexpected(v6.error());
    native_addr addr;
    addr.storage.ss_family = *v6 ? AF_INET6 : AF_INET;
    addr.size = *v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    return addr;
}

result<net::socket_addr> as_socket_addr(const result<native_addr>& native) noexcept {
    if (!native) return std::unexpected(native.error());
    return from_native(native->get(), native->size);
}

}  // namespace

// ---- Descriptors ----

void close(int fd) noexcept {
    if (fd == -1 || ::closesocket(to_socket(fd)) == 0) return;
    const int why = ::WSAGetLastError();
    // SAFETY: a handle is a number. This one is no socket, so it is still open.
    if (why == WSAENOTSOCK || why == WSANOTINITIALISED) ::CloseHandle(reinterpret_cast<HANDLE>(to_socket(fd)));
}

int above_standard(int fd) noexcept { return fd; }

int new_socket(int family, int type) noexcept {
    start_winsock();
    return from_socket(
        with_flags(::WSASocketW(family, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT)));
}

int new_connection(int listener, sockaddr* peer, socklen_t* size) noexcept {
    return from_socket(with_flags(::accept(to_socket(listener), peer, size)));
}

void prevent_sigpipe(int) noexcept {}

// Windows cannot report the mode, so this sets it. A blocking socket would stop the event loop.
result<bool> is_nonblocking(int fd) noexcept {
    if (fd == -1) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    unsigned long on = 1;
    if (::ioctlsocket(to_socket(fd), static_cast<long>(FIONBIO), &on) != 0) return std::unexpected(last_error());
    return true;
}

result<int> prepare_inherited(int) noexcept { return not_on_windows(); }

void restore_inherited(int, int) noexcept {}

result<int> access_mode(int fd) noexcept {
    if (const auto kind = kind_of_socket(fd); !kind) return std::unexpected(kind.error());
    return read_write;
}

result<bool> is_fifo(int fd) noexcept {
    if (const auto kind = kind_of_socket(fd); !kind) return std::unexpected(kind.error());
    return false;
}

result<void> check_open(int fd) noexcept {
    if (const auto kind = kind_of_socket(fd); !kind) return std::unexpected(kind.error());
    return ok();
}

result<void> check_pollable(int fd) noexcept { return check_open(fd); }

bool is_file(int) noexcept { return false; }

result<unique_fd> open(const std::string&, int) noexcept { return not_on_windows(); }

result<std::pair<unique_fd, unique_fd>> make_pipe() noexcept { return not_on_windows(); }

result<unique_fd> make_unread_pipe() noexcept { return not_on_windows(); }

result<void> replace_file(int, int) noexcept { return not_on_windows(); }

// ---- Sockets ----

result<unique_fd> tcp_socket(ip_version version) noexcept {
    return own_or_error(new_socket(version == ip_version::v6 ? AF_INET6 : AF_INET, SOCK_STREAM));
}

result<unique_fd> udp_socket(ip_version version) noexcept {
    auto made = own_or_error(new_socket(version == ip_version::v6 ? AF_INET6 : AF_INET, SOCK_DGRAM));
    if (made) {
        // Otherwise, a datagram that the peer refuses makes a later receive fail, also on a socket without a peer.
        BOOL reports = FALSE;
        DWORD size = 0;
        ::WSAIoctl(to_socket(made->get()), SIO_UDP_CONNRESET, &reports, sizeof reports, nullptr, 0, &size, nullptr,
                   nullptr);
    }
    return made;
}

result<unique_fd> unix_stream_socket() noexcept { return not_on_windows(); }

result<unique_fd> unix_datagram_socket() noexcept { return not_on_windows(); }

result<std::pair<unique_fd, unique_fd>> unix_stream_pair() noexcept { return not_on_windows(); }

result<std::pair<unique_fd, unique_fd>> unix_datagram_pair() noexcept { return not_on_windows(); }

result<void> bind(int fd, const native_addr& addr) noexcept {
    return done_or_error(::bind(to_socket(fd), addr.get(), addr.size));
}

result<void> bind(int fd, const net::socket_addr& addr) noexcept { return bind(fd, to_native(addr)); }

result<void> listen(int fd, int backlog) noexcept { return done_or_error(::listen(to_socket(fd), backlog)); }

result<accepted_fd> accept(int fd) noexcept {
    native_addr peer;
    auto owned = own_or_error(new_connection(fd, peer.get(), &peer.size));
    if (!owned) return std::unexpected(owned.error());
    return accepted_fd{std::move(*owned), peer};
}

std::error_code connect(int fd, const native_addr& addr) noexcept {
    if (::connect(to_socket(fd), addr.get(), addr.size) == 0) return {};
    const int error = ::WSAGetLastError();
    if (error == WSAEWOULDBLOCK) return std::make_error_code(std::errc::operation_in_progress);
    return winsock_error(error);
}

std::error_code connect(int fd, const net::socket_addr& addr) noexcept { return connect(fd, to_native(addr)); }

result<void> shutdown(int fd, half which) noexcept {
    const auto how = [&] {
        switch (which) {
        case half::receiving: return SD_RECEIVE;
        case half::sending: return SD_SEND;
        case half::both: break;
        }
        return SD_BOTH;
    }();
    return done_or_error(::shutdown(to_socket(fd), how));
}

result<native_addr> native_local_addr(int fd) noexcept {
    native_addr native;
    if (::getsockname(to_socket(fd), native.get(), &native.size) == 0) return native;
    if (::WSAGetLastError() == WSAEINVAL) return unbound_addr(fd);
    return std::unexpected(last_error());
}

result<native_addr> native_peer_addr(int fd) noexcept {
    native_addr native;
    if (::getpeername(to_socket(fd), native.get(), &native.size) != 0) return std::unexpected(last_error());
    return native;
}

result<net::socket_addr> local_addr(int fd) noexcept { return as_socket_addr(native_local_addr(fd)); }

result<net::socket_addr> peer_addr(int fd) noexcept { return as_socket_addr(native_peer_addr(fd)); }

result<std::optional<std::error_code>> take_error(int fd) noexcept {
    const auto code = get_option<int>(fd, SOL_SOCKET, SO_ERROR);
    if (!code) return std::unexpected(code.error());
    if (*code == 0) return std::optional<std::error_code>();
    return winsock_error(*code);
}

// ---- Data transfer ----

result<std::size_t> recv(int fd, std::span<std::byte> into) noexcept { return receive(fd, into, 0); }

result<std::size_t> peek(int fd, std::span<std::byte> into) noexcept { return receive(fd, into, MSG_PEEK); }

result<std::size_t> send(int fd, std::span<const std::byte> from) noexcept {
    const int count = ::send(to_socket(fd), chars_of(from), size_of(from.size()), 0);
    if (count < 0) return std::unexpected(last_error());
    return static_cast<std::size_t>(count);
}

result<std::size_t> send_without_waiting(int fd, std::span<const std::byte> from) noexcept { return send(fd, from); }

result<received> recv_from(int fd, std::span<std::byte> into, native_addr& from) noexcept {
    return receive_datagram(fd, into, from, 0);
}

result<received> peek_from(int fd, std::span<std::byte> into, native_addr& from) noexcept {
    return receive_datagram(fd, into, from, MSG_PEEK);
}

result<std::size_t> send_to(int fd, std::span<const std::byte> from, const native_addr& to) noexcept {
    const int count = ::sendto(to_socket(fd), chars_of(from), size_of(from.size()), 0, to.get(), to.size);
    if (count < 0) return std::unexpected(last_error());
    return static_cast<std::size_t>(count);
}

result<std::size_t> recv_vectored(int fd, std::span<const iovec> into) noexcept {
    buffer_list list(into);
    DWORD count = 0;
    DWORD flags = 0;
    if (::WSARecv(to_socket(fd), list.data(), list.count(), &count, &flags, nullptr, nullptr) == 0) return count;
    return std::unexpected(last_error());
}

result<std::size_t> send_with_fds(int, std::span<const std::byte>, std::span<const int>) noexcept {
    return not_on_windows();
}
result<std::size_t> recv_with_fds(int, std::span<std::byte>, std::vector<unique_fd>&) { return not_on_windows(); }

result<std::size_t> send_vectored(int fd, std::span<const iovec> from) noexcept {
    buffer_list list(from);
    DWORD count = 0;
    if (::WSASend(to_socket(fd), list.data(), list.count(), &count, 0, nullptr, nullptr) == 0) return count;
    return std::unexpected(last_error());
}

// ---- Pipes: no object of the library has one ----

result<std::size_t> read(int, std::span<std::byte>) noexcept { return not_on_windows(); }

result<std::size_t> read_vectored(int, std::span<const iovec>) noexcept { return not_on_windows(); }

result<std::size_t> write_pipe(int, std::span<const std::byte>) noexcept { return not_on_windows(); }

result<std::size_t> write_pipe_vectored(int, std::span<const iovec>) noexcept { return not_on_windows(); }

}  // namespace eddy::sys
