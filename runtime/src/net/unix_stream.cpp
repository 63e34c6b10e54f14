// SPDX-License-Identifier: MIT
#include <eddy/net/unix_stream.hpp>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/time/sleep.hpp>

#include "net/adopt.hpp"
#include "net/failed.hpp"
#include "net/unix_calls.hpp"
#include "reactor/current_io.hpp"
#include "sys/peer_credentials.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

task<any_result<unix_stream>> unix_stream::connect_to(result<unix_addr> to, std::source_location where) {
    auto io = detail::current_io(where);
    if (!to) co_return failed("connect to", std::string("a Unix socket"), to.error());
    if (!io) co_return failed("connect to", *to, io.error());
    auto fd = sys::unix_stream_socket();
    if (!fd) co_return failed("connect to", *to, fd.error());
    detail::io_socket socket(fd->release(), detail::descriptor_kind::socket);
    co_return co_await connect_this(std::move(socket), std::move(to), where);
}

task<any_result<unix_stream>> unix_stream::connect_this(detail::io_socket socket, result<unix_addr> to,
                                                        std::source_location where) {
    socket.check_not_empty(where);
    // A connect usually completes immediately and needs no event loop. Check nevertheless, so that the correctness of a
    // program does not depend on timing.
    auto io = detail::current_io(where);
    if (!to) co_return failed("connect to", std::string("a Unix socket"), to.error());
    if (!io) co_return failed("connect to", *to, io.error());
    const auto native = sys::to_native(*to);
    // If the listener's queue is full, the kernel returns EAGAIN, and no event reports when the queue has space again
    // (unix(7)). So try again.
    for (auto pause = std::chrono::milliseconds(1);; pause = std::min(pause * 2, std::chrono::milliseconds(16))) {
        const std::error_code error = sys::connect(socket.fd(), native);
        if (!error) break;
        if (error != std::errc::resource_unavailable_try_again) co_return failed("connect to", *to, error);
        co_await time::sleep(pause);
    }
    co_return unix_stream(std::move(socket));
}

task<any_result<unix_stream>> unix_stream::connect(const unix_addr& to, std::source_location where) {
    return connect_to(to, where);
}

task<any_result<unix_stream>> unix_stream::connect(std::string_view path, std::source_location where) {
    return connect_to(unix_addr::path(path), where);
}

result<unix_stream_pair> unix_stream::pair() noexcept {
    auto fds = sys::unix_stream_pair();
    if (!fds) return std::unexpected(fds.error());
    return unix_stream_pair(unix_stream(fds->first.release()), unix_stream(fds->second.release()));
}

result<unix_stream> unix_stream::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::unix_stream);
    if (!owned) return std::unexpected(owned.error());
    return unix_stream(owned->release());
}

result<unix_addr> unix_stream::local_addr() const { return unix_local_addr(socket_.open_fd()); }
result<unix_addr> unix_stream::peer_addr() const { return unix_peer_addr(socket_.open_fd()); }

result<peer_credentials> unix_stream::peer_cred() const { return sys::peer_credentials(socket_.open_fd()); }

task<result<std::size_t>> unix_stream::send_fds(io::const_buffer from, std::vector<int> fds) {
    if (from.bytes().empty()) co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    auto sending =
        async_io(io::interest::writable, [&] { return sys::send_with_fds(socket_.fd(), from.bytes(), fds); });
    co_return co_await sending;
}

task<result<received_fds>> unix_stream::recv_fds(io::mutable_buffer into) {
    received_fds received;
    std::vector<sys::unique_fd> fds;
    auto receiving =
        async_io(io::interest::readable, [&] { return sys::recv_with_fds(socket_.fd(), into.bytes(), fds); });
    received.bytes = co_await try_(receiving);
    received.fds.reserve(fds.size());  // without memory, `fds` closes them
    for (auto& fd : fds) received.fds.emplace_back(fd.release());
    co_return received;
}

}  // namespace eddy::net
