// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_options.hpp>

#include <eddy/net/tcp_socket.hpp>
#include <eddy/net/tcp_stream.hpp>

#include "sys/socket_option.hpp"

namespace eddy::net {
namespace {

result<void> set_time(int fd, const sys::socket_option& which, std::int64_t count) noexcept {
    if (count < 1 || count > 0x7fff'ffff) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return sys::set_number(fd, which, static_cast<std::uint32_t>(count));
}

result<std::chrono::seconds> get_seconds(int fd, const sys::socket_option& which) noexcept {
    const auto value = sys::get_number(fd, which);
    if (!value) return std::unexpected(value.error());
    return std::chrono::seconds(*value);
}

}  // namespace

template <class Self>
result<bool> tcp_options<Self>::keepalive() const {
    return sys::get_flag(fd(), sys::option::keepalive);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive(bool on) const {
    return sys::set_flag(fd(), sys::option::keepalive, on);
}

template <class Self>
result<std::chrono::seconds> tcp_options<Self>::keepalive_idle() const {
    return get_seconds(fd(), sys::option::keepalive_idle);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_idle(std::chrono::seconds time) const {
    return set_time(fd(), sys::option::keepalive_idle, time.count());
}

template <class Self>
result<std::chrono::seconds> tcp_options<Self>::keepalive_interval() const {
    return get_seconds(fd(), sys::option::keepalive_interval);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_interval(std::chrono::seconds time) const {
    return set_time(fd(), sys::option::keepalive_interval, time.count());
}

template <class Self>
result<std::uint32_t> tcp_options<Self>::keepalive_count() const {
    return sys::get_number(fd(), sys::option::keepalive_count);
}
template <class Self>
result<void> tcp_options<Self>::set_keepalive_count(std::uint32_t probes) const {
    return sys::set_number(fd(), sys::option::keepalive_count, probes);
}

template <class Self>
result<std::optional<std::chrono::milliseconds>> tcp_options<Self>::user_timeout() const {
    const auto value = sys::get_number(fd(), sys::option::user_timeout);
    if (!value) return std::unexpected(value.error());
    if (*value == 0) return std::nullopt;
    return std::chrono::milliseconds(*value);
}
template <class Self>
result<void> tcp_options<Self>::set_user_timeout(std::optional<std::chrono::milliseconds> limit) const {
    if (!limit) return sys::set_number(fd(), sys::option::user_timeout, 0);
    return set_time(fd(), sys::option::user_timeout, limit->count());
}

template class tcp_options<tcp_socket>;
template class tcp_options<tcp_stream>;

}  // namespace eddy::net
