// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

// Connects to the first address of a name that answers ("Happy Eyeballs", RFC 8305), so that an address without an
// answer, for example of IPv6 in a network that does not forward it, delays a program only by 250 ms.

namespace eddy::detail {

/// The time after which the next address is tried in addition (RFC 8305, section 8).
inline constexpr auto connect_stagger = std::chrono::milliseconds(250);

/// Returns the addresses in an order in which IPv6 and IPv4 take turns. The first address stays the first one.
[[nodiscard]] inline std::vector<net::socket_addr> in_turns(std::vector<net::socket_addr> all) {
    for (std::size_t i = 1; i < all.size(); ++i) {
        const auto other = [&](std::size_t at) { return all[at].is_ipv4() != all[i - 1].is_ipv4(); };
        std::size_t found = i;
        while (found != all.size() && !other(found)) ++found;
        if (found == all.size()) break;
        auto moved = all[found];
        for (; found != i; --found) all[found] = all[found - 1];
        all[i] = moved;
    }
    return all;
}

/// The outcome of the attempt to connect to an address.
template <class T>
struct connect_attempt {
    net::socket_addr to;
    result<T> outcome;

    connect_attempt(const net::socket_addr& address, result<T>&& what) : to(address), outcome(std::move(what)) {}
};

template <class T, class Connect>
task<connect_attempt<T>> attempt_to_connect(Connect connect, net::socket_addr to) {
    auto connecting = connect(to);
    auto outcome = co_await connecting;
    co_return connect_attempt<T>(to, std::move(outcome));
}

/// Connects to the first address that answers. Tries the next address when an attempt has failed, or `stagger` after
/// its begin. `connect(address)` returns a future of a result<T>. Calls `note(address)` at the begin of each attempt
/// and with the address of its outcome, so that the caller knows the last one if it gives up.
/// Errors: any error of the attempt that has failed last; errc::no_address.
template <class T, class Connect, class Note>
task<result<T>> connect_to_any(std::vector<net::socket_addr> all, std::chrono::nanoseconds stagger, Connect connect,
                               Note note) {
    auto last = make_error_code(errc::no_address);
    futures_unordered<task<connect_attempt<T>>> attempts;
    for (std::size_t begun = 0;;) {
        std::optional<connect_attempt<T>> ended;
        if (begun != all.size()) {
            note(all[begun]);
            attempts.push(attempt_to_connect<T>(connect, all[begun]));
            ++begun;
        }
        if (begun != all.size()) {
            auto waiting = time::timeout(stagger, attempts.next());
            auto next = co_await waiting;
            if (!next) continue;
            ended = *std::move(next);
        } else {
            auto next = co_await attempts.next();
            if (!next) co_return std::unexpected(last);
            ended = std::move(next);
        }
        note(ended->to);
        if (ended->outcome) co_return std::move(ended->outcome);
        last = ended->outcome.error();
    }
}

}  // namespace eddy::detail
