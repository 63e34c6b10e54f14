// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/core_handle.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/basic_stream.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

struct unix_stream_pair;

/// Who is at the other end of a Unix socket, as the kernel has noted it when that connected or listened, or made the
/// pair.
struct peer_credentials {
    std::optional<std::int32_t> pid;  ///< nothing: the process is in another container, and has no number here
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;

    peer_credentials(std::optional<std::int32_t> process, std::uint32_t user, std::uint32_t group) noexcept
        : pid(process), uid(user), gid(group) {}
};

/// A connection by a Unix socket. Otherwise as tcp_stream; its bytes do not go through a ring.
class EDDY_API unix_stream : public basic_stream<unix_stream> {
public:
    /// Connects: nothing happens before the future is polled. To a path, or to any address.
    /// Errors: no_such_file_or_directory, connection_refused if nobody listens, permission_denied, ..., as connect(2);
    /// as unix_addr::path(). On an error no descriptor is left behind. Cancel safety: safe; the attempt is given up and
    /// its socket closed.
    [[nodiscard]] static task<result<unix_stream>> connect(
        const unix_addr& to, std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<unix_stream>> connect(
        std::string_view path, std::source_location where = std::source_location::current());

    /// Two streams that are connected to each other, without a name.
    [[nodiscard]] static result<unix_stream_pair> pair() noexcept;

    /// Adopts a connected socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no Unix stream
    /// socket; bad_file_descriptor.
    [[nodiscard]] static result<unix_stream> from_native(int fd) noexcept;

    [[nodiscard]] result<unix_addr> local_addr() const noexcept;
    [[nodiscard]] result<unix_addr> peer_addr() const noexcept;
    [[nodiscard]] result<peer_credentials> peer_cred() const noexcept;

private:
    friend class unix_listener;
    explicit unix_stream(int fd) noexcept : basic_stream(detail::io_socket(fd, detail::descriptor_kind::socket)) {}
    explicit unix_stream(detail::io_socket&& socket) noexcept : basic_stream(std::move(socket)) {}

    static task<result<unix_stream>> connect_to(result<unix_addr> to, std::source_location where);
};

/// What unix_stream::pair() gives.
struct unix_stream_pair {
    unix_stream first;
    unix_stream second;

    unix_stream_pair(unix_stream&& one, unix_stream&& other) noexcept
        : first(std::move(one)), second(std::move(other)) {}
};

}  // namespace eddy::net
