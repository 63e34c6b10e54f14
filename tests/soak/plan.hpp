// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <eddy/runtime/reactor.hpp>

#include "support/dice.hpp"
#include "watch.hpp"

// The random plan of an episode: a few seconds of traffic between fresh servers and clients.

namespace soak {

/// What the operations of an episode are like.
struct traffic {
    unsigned drops_one_in = 4;    // operations that the client drops; 0: none
    unsigned pauses_one_in = 50;  // pauses per read or write of a body; 0: none
    std::size_t most_bytes = 1 << 20;
    bool has_large_bodies = false;  // else, each order of magnitude is as likely as the others
    unsigned uploads_percent = 30;  // requests that only upload
    unsigned both_percent = 40;     // requests that transfer in both directions

    traffic() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The time limit of handshakes and heads. The default of 10 s passes on a busy machine; whether a wait is too long is
/// decided by --stall.
inline constexpr auto busy_limit = std::chrono::minutes(2);

/// How a runtime or an event loop ends.
enum class stop_kind : unsigned char { graceful, timeout, now, destroyed, background };

/// How a server restarts.
enum class restart_kind : unsigned char {
    graceful,  // with time for the requests in progress
    hurried,   // with a drain time of some milliseconds
    abrupt,    // the server's future is dropped
};

/// An episode. Derived from the seed and the number of the episode alone.
struct episode {
    std::uint64_t seed;
    unsigned number;
    const char* focus;  // a name for messages
    eddy::driver_kind driver;
    bool has_server_process = false;
    bool shares_runtime = false;  // clients and servers in one runtime
    unsigned server_workers = 1;  // 0: an event loop
    unsigned client_workers = 1;  // 0: an event loop
    std::uint32_t max_streams = 100;
    std::array<unsigned, layer_count> sessions{};
    std::chrono::milliseconds length{3000};
    std::chrono::milliseconds restart_interval{0};  // 0: no restarts
    stop_kind client_end = stop_kind::graceful;
    stop_kind server_end = stop_kind::graceful;
    soak::traffic traffic;

    episode(std::uint64_t from, unsigned which, eddy::driver_kind on);

    [[nodiscard]] std::string text() const;
};

/// Mixes numbers to a seed.
[[nodiscard]] std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0) noexcept;

/// Returns a size from 0 to `like.most_bytes` or `most`.
[[nodiscard]] std::size_t any_size(support::dice& random, const traffic& like, std::size_t most = SIZE_MAX);

}  // namespace soak
