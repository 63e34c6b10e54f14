// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_options.hpp>

#include <eddy/net/tcp_socket.hpp>
#include <eddy/net/tcp_stream.hpp>

#include "net/socket_options.hpp"

namespace eddy::net {
namespace {

result<void> set_time(int fd, int name, std::int64_t count) noexcept {
    if (count < 1 || count > 0x7fff'ffff) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return set_number(fd, IPPROTO_TCP, name, static_cast<std::uint32_t>(count));
}

result<std::chrono::seconds> get_seconds(int fd, int name) noexcept {
    const auto value = get_number(fd, IPPROTO_TCP, name);
    if (!value) return std::unexpected(value.error());
    return std::chrono::seconds(*value);
}

}  // namespace

template <class Self>
result<bool> tcp_options<Self>::keepalive() const noexcept {
    return get_flag(fd(), SOL_SOCKET, SO_KEEPALIVE);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive(bool on) const noexcept {
    return set_flag(fd(), SOL_SOCKET, SO_KEEPALIVE, on);
}

template <class Self>
result<std::chrono::seconds> tcp_options<Self>::keepalive_idle() const noexcept {
    return get_seconds(fd(), TCP_KEEPIDLE);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_idle(std::chrono::seconds time) const noexcept {
    return set_time(fd(), TCP_KEEPIDLE, time.count());
}

template <class Self>
result<std::chrono::seconds> tcp_options<Self>::keepalive_interval() const noexcept {
    return get_seconds(fd(), TCP_KEEPINTVL);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_interval(std::chrono::seconds time) const noexcept {
    return set_time(fd(), TCP_KEEPINTVL, time.count());
}

template <class Self>
result<std::uint32_t> tcp_options<Self>::keepalive_count() const noexcept {
    return get_number(fd(), IPPROTO_TCP, TCP_KEEPCNT);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_count(std::uint32_t probes) const noexcept {
    return set_number(fd(), IPPROTO_TCP, TCP_KEEPCNT, probes);
}

template <class Self>
result<std::optional<std::chrono::milliseconds>> tcp_options<Self>::user_timeout() const noexcept {
    const auto value = get_number(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT);
    if (!value) return std::unexpected(value.error());
    if (*value == 0) return std::nullopt;
    return std::chrono::milliseconds(*value);
}
template <class Self>
result<void> tcp_options<Self>::set_user_timeout(std::optional<std::chrono::milliseconds> limit) const noexcept {
    if (!limit) return set_number(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
    return set_time(fd(), TCP_USER_TIMEOUT, limit->count());
}

template class tcp_options<tcp_socket>;
template class tcp_options<tcp_stream>;

}  // namespace eddy::net
