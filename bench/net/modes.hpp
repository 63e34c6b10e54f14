// SPDX-License-Identifier: MIT
#pragma once

#include "clients.hpp"
#include "interval.hpp"
#include "load_options.hpp"

namespace bench {

// What the clients do; each is in a file of its name. All of them first open their connections, let each be answered
// once, and throw failure when the server does something wrong.

/// A connection has `depth` requests in flight, and sends the next one when an answer is complete. With `active` only
/// so many connections have a request in flight: an answer on one lets the next one send, around all of them.
void closed_loop(const load_options& wanted, clients& all, interval& measured);

/// Requests come when they come, whether or not the server keeps up. A latency counts from the moment at which the
/// request should have been sent, even if its connection had to wait for the answer before.
void open_loop(const load_options& wanted, clients& all, interval& measured);

/// Each connection is opened, answered once and closed; a latency is that of the three together.
void churn(const load_options& wanted, clients& all, interval& measured);

/// While `connections` are busy, `storm` more come at the same moment: the server is stopped until they all have
/// connected and sent a request. A latency is the time from there until one of them has its answer.
void storm(const load_options& wanted, clients& all, interval& measured);

/// Connections that were answered once and then are silent, until standard input is closed or the time is over.
void idle(const load_options& wanted, clients& all);

}  // namespace bench
