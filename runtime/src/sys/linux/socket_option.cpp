// SPDX-License-Identifier: MIT
#include "sys/socket_option.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace eddy::sys::option {

constinit const socket_option broadcast{SOL_SOCKET, SO_BROADCAST};
constinit const socket_option fastopen{IPPROTO_TCP, TCP_FASTOPEN};
constinit const socket_option fastopen_connect{IPPROTO_TCP, TCP_FASTOPEN_CONNECT};
constinit const socket_option hop_limit_v4{IPPROTO_IP, IP_TTL};
constinit const socket_option hop_limit_v6{IPPROTO_IPV6, IPV6_UNICAST_HOPS};
constinit const socket_option keepalive{SOL_SOCKET, SO_KEEPALIVE};
constinit const socket_option keepalive_count{IPPROTO_TCP, TCP_KEEPCNT};
constinit const socket_option keepalive_idle{IPPROTO_TCP, TCP_KEEPIDLE};
constinit const socket_option keepalive_interval{IPPROTO_TCP, TCP_KEEPINTVL};
constinit const socket_option multicast_hops_v4{IPPROTO_IP, IP_MULTICAST_TTL};
constinit const socket_option multicast_hops_v6{IPPROTO_IPV6, IPV6_MULTICAST_HOPS};
constinit const socket_option multicast_interface_v6{IPPROTO_IPV6, IPV6_MULTICAST_IF};
constinit const socket_option multicast_loop_v4{IPPROTO_IP, IP_MULTICAST_LOOP};
constinit const socket_option multicast_loop_v6{IPPROTO_IPV6, IPV6_MULTICAST_LOOP};
constinit const socket_option nodelay{IPPROTO_TCP, TCP_NODELAY};
constinit const socket_option only_v6{IPPROTO_IPV6, IPV6_V6ONLY};
constinit const socket_option quickack{IPPROTO_TCP, TCP_QUICKACK};
constinit const socket_option recv_buffer_size{SOL_SOCKET, SO_RCVBUF};
constinit const socket_option reuse_addr{SOL_SOCKET, SO_REUSEADDR};
constinit const socket_option reuse_port{SOL_SOCKET, SO_REUSEPORT};
constinit const socket_option send_buffer_size{SOL_SOCKET, SO_SNDBUF};
constinit const socket_option service_type_v4{IPPROTO_IP, IP_TOS};
constinit const socket_option service_type_v6{IPPROTO_IPV6, IPV6_TCLASS};
constinit const socket_option user_timeout{IPPROTO_TCP, TCP_USER_TIMEOUT};

}  // namespace eddy::sys::option
