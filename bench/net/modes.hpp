// SPDX-License-Identifier: MIT
#pragma once

#include "clients.hpp"
#include "interval.hpp"
#include "load_options.hpp"

namespace bench {

// The modes of load, each in the file of its name. All of them first open their connections and wait for one answer on
// each. They throw failure if the server makes an error.

/// Each connection has `depth` requests in flight, and sends the next one after each answer. With `active`, only that
/// many connections have a request in flight, and an answer on one connection lets the next idle one send, in a circle.
void closed_loop(const load_options& wanted, clients& all, interval& measured);

/// Requests are sent at predetermined times, even if the server is too slow. A latency starts at the time at which the
/// request should have been sent, even if the connection still waited for the previous answer.
void open_loop(const load_options& wanted, clients& all, interval& measured);

/// Each connection is opened, answered once and closed. A latency covers all three.
void churn(const load_options& wanted, clients& all, interval& measured);

/// While `connections` are busy, `storm` new clients arrive at the same time: the server is stopped until all of them
/// have connected and sent a request. A latency is the time from then to the answer to a new client.
void storm(const load_options& wanted, clients& all, interval& measured);

/// Connections that are idle after one answer, until standard input is closed or the time is over.
void idle(const load_options& wanted, clients& all);

}  // namespace bench
