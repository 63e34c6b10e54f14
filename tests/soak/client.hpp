// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/net.hpp>
#include <eddy/task/task.hpp>
#include <eddy/tls.hpp>

#include "plan.hpp"
#include "server.hpp"
#include "watch.hpp"

// The clients of an episode.

namespace soak {

/// The restarts of the servers. Errors of the operations of that time are excused.
/// Thread safety: any thread.
class disturbances {
public:
    void begin() noexcept { ++count_; }
    void end() noexcept {
        last_end_ = watch::get().tick();
        ++count_;
    }
    /// Returns an odd number during a disturbance.
    [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(); }
    /// Returns whether the last disturbance has ended less than 2 s ago. A client may find out late that a connection
    /// has ended.
    [[nodiscard]] bool was_lately() const noexcept {
        return count() != 0 && watch::get().tick() < last_end_.load() + 20;
    }

private:
    std::atomic<std::uint64_t> count_{0};
    std::atomic<std::uint64_t> last_end_{0};
};

/// The state that all clients of an episode share.
/// Thread safety: any thread.
struct client_state {
    client_state(const episode& of, const service_addresses& to)
        : plan(of),
          addresses(to),
          tls(eddy::tls::client_builder().trust_pem(to.trusted).handshake_timeout(busy_limit).build().value()) {}

    const episode plan;
    const service_addresses addresses;
    const eddy::tls::client_config tls;
    soak::disturbances disturbances;
    std::atomic<bool> is_over{false};  // sessions begin no more operations
    std::atomic<std::size_t> running{0};

    [[nodiscard]] eddy::net::socket_addr address(layer of) const {
        return addresses.of.at(static_cast<std::size_t>(port_of(of)));
    }
};

/// The restarts that an operation has seen.
/// Thread safety: that of client_state.
class excuses {
public:
    explicit excuses(const client_state& of)
        : of_(&of), count_(of.disturbances.count()), lately_(of.disturbances.was_lately()) {}

    /// Returns whether an error of the operation has a cause.
    [[nodiscard]] bool exist() const noexcept {
        return lately_ || count_ % 2 == 1 || of_->disturbances.count() != count_;
    }

private:
    const client_state* of_;
    std::uint64_t count_;
    bool lately_;
};

/// Judges the error of an operation: it is excused, or the soak fails.
[[nodiscard]] inline outcome judge(const operation& of, const excuses& having, const std::error_code& why,
                                   const std::string& step, bool is_planned = false) {
    if (!is_planned && !having.exist())
        watch::get().fail(of, step + ": an error without a cause: " + why.message() + " (" + why.category().name() +
                                  " " + std::to_string(why.value()) + ")");
    watch::get().excuse(of.of(), step + ": " + why.message() + (is_planned ? " (planned)" : ""));
    return outcome::excused;
}

// A session makes one operation after the other until the episode is over.

[[nodiscard]] eddy::task<void> run_tls_session(std::shared_ptr<client_state> state, unsigned number);
[[nodiscard]] eddy::task<void> run_ws_session(std::shared_ptr<client_state> state, layer of, unsigned number);

/// The clients of HTTP and proto that several sessions share.
class shared_clients;
[[nodiscard]] std::shared_ptr<shared_clients> make_shared_clients(const std::shared_ptr<client_state>& state);
[[nodiscard]] eddy::task<void> run_http_session(std::shared_ptr<client_state> state,
                                                std::shared_ptr<shared_clients> with, layer of, unsigned number);
[[nodiscard]] eddy::task<void> run_proto_session(std::shared_ptr<client_state> state, layer of, unsigned number);
[[nodiscard]] eddy::task<void> run_bodies_session(std::shared_ptr<client_state> state, layer of, unsigned number);

}  // namespace soak
