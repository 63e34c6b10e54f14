// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for WebSockets (RFC 6455): the CMake target eddy::ws. Not part of <eddy/eddy.hpp>.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/ws/accept.hpp>      // service(), accept(): servers
#include <eddy/ws/connect.hpp>     // connect(): clients
#include <eddy/ws/connection.hpp>  // connection, sender, receiver
#include <eddy/ws/error.hpp>       // errc, close_code
#include <eddy/ws/message.hpp>     // message
#include <eddy/ws/options.hpp>     // options
