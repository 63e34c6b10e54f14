// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <eddy/http.hpp>
#include <eddy/net.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/tls.hpp>
#include <eddy/ws.hpp>

#include "host.hpp"
#include "plan.hpp"
#include "watch.hpp"

// The servers of an episode, one for each port.

namespace soak {

enum class port : unsigned char { tls, http, https, pipelined, multiplexed, pipelined_bodies, multiplexed_bodies };
inline constexpr std::size_t port_count = 7;

/// The port that the clients of a layer use.
[[nodiscard]] port port_of(layer which) noexcept;

/// What a client needs to connect.
struct service_addresses {
    std::array<eddy::net::socket_addr, port_count> of;
    std::string trusted;  // the certificate of the authority, as PEM text

    explicit service_addresses(eddy::net::socket_addr none) : of{none, none, none, none, none, none, none} {}
};

/// The requests that have arrived, so that one that arrives twice is noticed.
/// Thread safety: any thread.
class ledger {
public:
    /// Adds a request. Reports one that has arrived before.
    void add(const operation& which);
    /// Marks an upload as whole.
    void complete(std::uint64_t id);
    [[nodiscard]] bool is_complete(std::uint64_t id);

private:
    std::mutex lock_;
    std::set<std::uint64_t> arrived_;
    std::set<std::uint64_t> complete_;
};

/// The state that all servers of an episode share.
/// Thread safety: any thread.
struct server_state {
    explicit server_state(const episode& of);

    const episode plan;
    soak::ledger ledger;

    std::mutex lock;
    // Guarded by the lock:
    service_addresses addresses;
    eddy::sync::cancellation_token ends;   // ends this generation of servers gracefully
    eddy::sync::cancellation_token drops;  // drops it
    unsigned generation = 1;
    std::array<unsigned, port_count> running{};  // the generation of each server that runs, or 0
    bool is_over = false;                        // the servers do not start again

    const eddy::tls::server_config tls;
};

/// The servers of an episode on their host.
/// Thread safety: one thread at a time, outside of tasks.
class servers {
public:
    explicit servers(const episode& plan);

    /// Starts the servers. Their ports stay the same.
    void start(host& on);
    /// Restarts them, and waits until they run again.
    void restart(restart_kind how);
    /// Ends them gracefully, and waits until they have ended.
    void end();
    [[nodiscard]] service_addresses addresses() const;

private:
    /// Waits until all servers of a generation run. 0: until none runs.
    void wait_until_running(unsigned generation);

    std::shared_ptr<server_state> state_;
};

// The layers. Each serves a listener until `ends` is cancelled.

struct generation {
    eddy::sync::cancellation_token ends;
    std::chrono::nanoseconds drain;

    generation(eddy::sync::cancellation_token token, std::chrono::nanoseconds limit)
        : ends(std::move(token)), drain(limit) {}
};
using served = eddy::result<eddy::net::serve_report>;

[[nodiscard]] eddy::net::serve_options options_of(const generation& now);
[[nodiscard]] eddy::task<served> serve_tls(eddy::net::tcp_listener from, std::shared_ptr<server_state> state,
                                           generation now);
[[nodiscard]] eddy::task<served> serve_http(eddy::net::tcp_listener from, std::shared_ptr<server_state> state,
                                            generation now);
[[nodiscard]] eddy::task<served> serve_https(eddy::net::tcp_listener from, std::shared_ptr<server_state> state,
                                             generation now);
[[nodiscard]] eddy::task<served> serve_pipelined(eddy::net::tcp_listener from, std::shared_ptr<server_state> state,
                                                 generation now);
[[nodiscard]] eddy::task<served> serve_multiplexed(eddy::net::tcp_listener from, std::shared_ptr<server_state> state,
                                                   generation now);
[[nodiscard]] eddy::task<served> serve_pipelined_bodies(eddy::net::tcp_listener from,
                                                        std::shared_ptr<server_state> state, generation now);
[[nodiscard]] eddy::task<served> serve_multiplexed_bodies(eddy::net::tcp_listener from,
                                                          std::shared_ptr<server_state> state, generation now);
/// The response to the request of a WebSocket.
[[nodiscard]] eddy::http::response answer_ws(std::shared_ptr<server_state> state, eddy::http::request asked);

}  // namespace soak
