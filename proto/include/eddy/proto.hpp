// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for services: the CMake target eddy::proto. Not part of <eddy/eddy.hpp>.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.

#include <eddy/proto/service.hpp>  // the concept of a service; layer, operator|, boxed_service

// Layers
#include <eddy/proto/buffer.hpp>           // a task that owns the service
#include <eddy/proto/circuit_breaker.hpp>  // stops calling a service that fails
#include <eddy/proto/limits.hpp>           // timeout, concurrency_limit, rate_limit, load_shed
#include <eddy/proto/map.hpp>              // map_request, map_response, recover, trace
#include <eddy/proto/retry.hpp>            // retries with a budget
#include <eddy/proto/retry_policy.hpp>     // which calls are repeated, and when

// Protocols
#include <eddy/proto/client.hpp>   // pipelined_client, multiplexed_client
#include <eddy/proto/message.hpp>  // messages with streamed bodies, and their frames
#include <eddy/proto/server.hpp>   // pipelined, multiplexed

// Servers and clients over TCP
#include <eddy/proto/tcp_client.hpp>  // connects, and returns a client
#include <eddy/proto/tcp_server.hpp>  // listens, and serves each connection

// Several connections
#include <eddy/proto/balance.hpp>  // passes calls to one of several services
#include <eddy/proto/pool.hpp>     // connections that are reused
