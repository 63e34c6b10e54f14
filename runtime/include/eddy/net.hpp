// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for networking: addresses, TCP, UDP and Unix sockets, pipes, and serve().
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/net/close_gracefully.hpp>
#include <eddy/net/halves.hpp>  // split, into_split, reunite
#include <eddy/net/inherited_listeners.hpp>
#include <eddy/net/listener.hpp>  // the concept
#include <eddy/net/lookup_host.hpp>
#include <eddy/net/pipe.hpp>
#include <eddy/net/proxy_header.hpp>
#include <eddy/net/proxy_listener.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/service_manager.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_socket.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/to_socket_addrs.hpp>  // accepted address arguments: addresses, text, names
#include <eddy/net/udp_socket.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_datagram.hpp>
#include <eddy/net/unix_listener.hpp>
#include <eddy/net/unix_socket.hpp>
#include <eddy/net/unix_stream.hpp>
