// SPDX-License-Identifier: MIT
#include "sys/socket_option.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace eddy::sys::option {
namespace {

constexpr socket_option missing{-1, 0};

// These options exist in some of the systems.
#if defined(TCP_FASTOPEN)
constexpr socket_option fastopen_here{IPPROTO_TCP, TCP_FASTOPEN};
#else
constexpr socket_option fastopen_here = missing;
#endif
#if defined(TCP_KEEPIDLE)
constexpr socket_option keepalive_idle_here{IPPROTO_TCP, TCP_KEEPIDLE};
#elif defined(TCP_KEEPALIVE)
constexpr socket_option keepalive_idle_here{IPPROTO_TCP, TCP_KEEPALIVE};
#else
constexpr socket_option keepalive_idle_here = missing;
#endif
#if defined(TCP_KEEPINTVL)
constexpr socket_option keepalive_interval_here{IPPROTO_TCP, TCP_KEEPINTVL};
#else
constexpr socket_option keepalive_interval_here = missing;
#endif
#if defined(TCP_KEEPCNT)
constexpr socket_option keepalive_count_here{IPPROTO_TCP, TCP_KEEPCNT};
#else
constexpr socket_option keepalive_count_here = missing;
#endif

}  // namespace

constinit const socket_option broadcast{SOL_SOCKET, SO_BROADCAST};
constinit const socket_option fastopen = fastopen_here;
constinit const socket_option fastopen_connect = missing;
constinit const socket_option hop_limit_v4{IPPROTO_IP, IP_TTL};
constinit const socket_option hop_limit_v6{IPPROTO_IPV6, IPV6_UNICAST_HOPS};
constinit const socket_option keepalive{SOL_SOCKET, SO_KEEPALIVE};
constinit const socket_option keepalive_count = keepalive_count_here;
constinit const socket_option keepalive_idle = keepalive_idle_here;
constinit const socket_option keepalive_interval = keepalive_interval_here;
// For these two, OpenBSD accepts only a byte. The other systems accept a byte or an int.
constinit const socket_option multicast_hops_v4{IPPROTO_IP, IP_MULTICAST_TTL, true};
constinit const socket_option multicast_loop_v4{IPPROTO_IP, IP_MULTICAST_LOOP, true};
constinit const socket_option multicast_hops_v6{IPPROTO_IPV6, IPV6_MULTICAST_HOPS};
constinit const socket_option multicast_interface_v6{IPPROTO_IPV6, IPV6_MULTICAST_IF};
constinit const socket_option multicast_loop_v6{IPPROTO_IPV6, IPV6_MULTICAST_LOOP};
constinit const socket_option nodelay{IPPROTO_TCP, TCP_NODELAY};
constinit const socket_option only_v6{IPPROTO_IPV6, IPV6_V6ONLY};
constinit const socket_option quickack = missing;
constinit const socket_option recv_buffer_size{SOL_SOCKET, SO_RCVBUF};
constinit const socket_option reuse_addr{SOL_SOCKET, SO_REUSEADDR};
constinit const socket_option reuse_port{SOL_SOCKET, SO_REUSEPORT};
constinit const socket_option send_buffer_size{SOL_SOCKET, SO_SNDBUF};
constinit const socket_option service_type_v4{IPPROTO_IP, IP_TOS};
constinit const socket_option service_type_v6{IPPROTO_IPV6, IPV6_TCLASS};
constinit const socket_option user_timeout = missing;

}  // namespace eddy::sys::option
