// SPDX-License-Identifier: MIT
#pragma once

#include "clients.hpp"
#include "interval.hpp"
#include "load_options.hpp"

namespace bench {

// The modes of load, each in the file of its name. Each mode first opens its connections and waits for one answer on
// each connection. It throws failure if the server makes an error.

/// Each connection has `depth` requests in flight, and sends the next request after each answer. With `active`, only
/// `active` connections have a request in flight: after an answer on one connection, the next idle connection sends.
void closed_loop(const load_options& wanted, clients& all, interval& measured);

/// Requests are sent at predetermined times, even if the server is too slow. A latency starts at the time at which the
/// request should have been sent, even if the connection still waited for the previous answer.
void open_loop(const load_options& wanted, clients& all, interval& measured);

/// Each connection is opened, answered once and closed. A latency is the time of these three steps.
void churn(const load_options& wanted, clients& all, interval& measured);

/// While `connections` are busy, `storm` new clients arrive at the same time: the server is stopped until all of them
/// have connected and sent a request. A latency is the time from this moment to the answer to a new client.
void storm(const load_options& wanted, clients& all, interval& measured);

/// All connections are idle after one answer. Returns when standard input is closed or the time is over.
void idle(const load_options& wanted, clients& all);

}  // namespace bench
