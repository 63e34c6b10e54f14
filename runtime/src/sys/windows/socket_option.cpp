// SPDX-License-Identifier: MIT
#include "sys/socket_option.hpp"

#include "sys/socket_api.hpp"

namespace eddy::sys::option {
namespace {

constexpr socket_option missing{-1, 0};

// Windows 10 has these options of TCP since version 1709. The headers of MinGW lack two of them.
constexpr int tcp_keep_idle = 3;
constexpr int tcp_keep_count = 16;
constexpr int tcp_keep_interval = 17;

}  // namespace

constinit const socket_option broadcast{SOL_SOCKET, SO_BROADCAST};
constinit const socket_option fastopen = missing;
constinit const socket_option fastopen_connect = missing;
constinit const socket_option hop_limit_v4{IPPROTO_IP, IP_TTL};
constinit const socket_option hop_limit_v6{IPPROTO_IPV6, IPV6_UNICAST_HOPS};
constinit const socket_option keepalive{SOL_SOCKET, SO_KEEPALIVE};
constinit const socket_option keepalive_count{IPPROTO_TCP, tcp_keep_count};
constinit const socket_option keepalive_idle{IPPROTO_TCP, tcp_keep_idle};
constinit const socket_option keepalive_interval{IPPROTO_TCP, tcp_keep_interval};
constinit const socket_option multicast_hops_v4{IPPROTO_IP, IP_MULTICAST_TTL};
constinit const socket_option multicast_hops_v6{IPPROTO_IPV6, IPV6_MULTICAST_HOPS};
constinit const socket_option multicast_interface_v6{IPPROTO_IPV6, IPV6_MULTICAST_IF};
constinit const socket_option multicast_loop_v4{IPPROTO_IP, IP_MULTICAST_LOOP};
constinit const socket_option multicast_loop_v6{IPPROTO_IPV6, IPV6_MULTICAST_LOOP};
constinit const socket_option nodelay{IPPROTO_TCP, TCP_NODELAY};
constinit const socket_option only_v6{IPPROTO_IPV6, IPV6_V6ONLY};
constinit const socket_option quickack = missing;
constinit const socket_option recv_buffer_size{SOL_SOCKET, SO_RCVBUF};
constinit const socket_option reuse_addr{SOL_SOCKET, SO_REUSEADDR};
constinit const socket_option reuse_port = missing;
constinit const socket_option send_buffer_size{SOL_SOCKET, SO_SNDBUF};
constinit const socket_option service_type_v4{IPPROTO_IP, IP_TOS};
constinit const socket_option service_type_v6 = missing;
constinit const socket_option user_timeout = missing;

}  // namespace eddy::sys::option
