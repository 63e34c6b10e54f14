// SPDX-License-Identifier: MIT
#pragma once

#if defined(_WIN32)
#include <eddy/net/named_pipe.hpp>
#else
#include <eddy/net/pipe.hpp>
#endif

namespace eddy::process {

/// This program's ends of the pipes to a process: a writer, and a reader. On Windows they are ends of named pipes,
/// which have fewer functions. Those of eddy::io work on all systems: `io::read(*child.out(), buffer)`.
#if defined(_WIN32)
using pipe_sender = net::named_pipe::server;
using pipe_receiver = net::named_pipe::server;
#else
using pipe_sender = net::pipe::sender;
using pipe_receiver = net::pipe::receiver;
#endif

}  // namespace eddy::process
