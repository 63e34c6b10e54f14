// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include <unistd.h>

#include <eddy/future.hpp>
#include <eddy/time.hpp>

#include "support/certificates.hpp"

namespace soak {
namespace {

using eddy::task;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
namespace net = eddy::net;

/// An address of this process alone, so that no other program can take a port while a server restarts.
std::string own_host() {
    const auto id = static_cast<unsigned>(::getpid());
    return "127." + std::to_string(1 + id / 64516 % 100) + "." + std::to_string(1 + id / 254 % 254) + "." +
           std::to_string(1 + id % 254);
}

eddy::tls::server_config make_tls(std::string& trusted) {
    const support::certificate_authority authority;
    trusted = authority.pem();
    const auto own = authority.issue({"DNS:localhost", "IP:" + own_host()});
    return eddy::tls::server_builder(eddy::tls::identity::from_pem(own.pem, own.key).value())
        .alpn(eddy::http::alpn_protocols())
        .handshake_timeout(busy_limit)
        .build()
        .value();
}

task<served> serve_port(port which, net::tcp_listener from, std::shared_ptr<server_state> state, generation now) {
    switch (which) {
    case port::tls: return serve_tls(std::move(from), std::move(state), std::move(now));
    case port::http: return serve_http(std::move(from), std::move(state), std::move(now));
    case port::https: return serve_https(std::move(from), std::move(state), std::move(now));
    case port::pipelined: return serve_pipelined(std::move(from), std::move(state), std::move(now));
    case port::multiplexed: return serve_multiplexed(std::move(from), std::move(state), std::move(now));
    case port::pipelined_bodies: return serve_pipelined_bodies(std::move(from), std::move(state), std::move(now));
    case port::multiplexed_bodies: break;
    }
    return serve_multiplexed_bodies(std::move(from), std::move(state), std::move(now));
}

/// Tells the state that a server runs.
class running_server {
public:
    running_server(std::shared_ptr<server_state> of, port which, unsigned generation, net::socket_addr at)
        : of_(std::move(of)), index_(static_cast<std::size_t>(which)) {
        const std::lock_guard guard(of_->lock);
        of_->addresses.of.at(index_) = at;
        of_->running.at(index_) = generation;
    }
    running_server(const running_server&) = delete;
    running_server& operator=(const running_server&) = delete;
    ~running_server() {
        const std::lock_guard guard(of_->lock);
        of_->running.at(index_) = 0;
    }

private:
    std::shared_ptr<server_state> of_;
    std::size_t index_;
};

/// What a server needs to know at its start.
struct start_of_server {
    net::socket_addr at;
    unsigned number;
    eddy::sync::cancellation_token ends;
    eddy::sync::cancellation_token drops;
    bool is_over;

    start_of_server(server_state& of, port which)  // with the lock
        : at(of.addresses.of.at(static_cast<std::size_t>(which))),
          number(of.generation),
          ends(of.ends),
          drops(of.drops),
          is_over(of.is_over) {}
};

start_of_server start_now(server_state& of, port which) {
    const std::lock_guard guard(of.lock);
    return {of, which};
}

/// Runs a server, again after each restart.
task<void> run_server(std::shared_ptr<server_state> state, port which) {
    for (;;) {
        const auto now = start_now(*state, which);
        if (now.is_over) co_return;
        auto listener = co_await net::tcp_listener::bind(now.at);
        if (!listener) {
            if (listener.error() != std::errc::address_in_use) {
                watch::get().fail("a server cannot bind: " + listener.error().message());
                co_return;
            }
            co_await eddy::time::sleep(5ms);
            continue;
        }
        const running_server running(state, which, now.number, listener->local_addr().value());
        const auto drain = mix(state->plan.seed, now.number) % 4 == 0 ? 20ms : 20'000ms;
        auto ended = co_await eddy::select(now.drops.cancelled(),
                                           serve_port(which, *std::move(listener), state, generation(now.ends, drain)));
        if (ended.index() == 0) continue;
        const auto& report = std::get<1>(ended);
        if (!report) {
            watch::get().fail("a server has failed: " + report.error().message());
            co_return;
        }
    }
}

}  // namespace

port port_of(layer which) noexcept {
    switch (which) {
    case layer::tls: return port::tls;
    case layer::http1:
    case layer::http2:
    case layer::ws: return port::http;
    case layer::https1:
    case layer::https2:
    case layer::wss: return port::https;
    case layer::pipelined: return port::pipelined;
    case layer::multiplexed: return port::multiplexed;
    case layer::pipelined_bodies: return port::pipelined_bodies;
    case layer::multiplexed_bodies:
    case layer::contents:  // and the others without servers
    case layer::trees:
    case layer::changes:
    case layer::programs: break;
    }
    return port::multiplexed_bodies;
}

void ledger::add(const operation& which) {
    bool is_new = false;
    {
        const std::lock_guard guard(lock_);
        is_new = arrived_.insert(which.id()).second;
    }
    if (!is_new) watch::get().fail(which, "a request has arrived twice");
}

void ledger::complete(std::uint64_t id) {
    const std::lock_guard guard(lock_);
    complete_.insert(id);
}

bool ledger::is_complete(std::uint64_t id) {
    const std::lock_guard guard(lock_);
    return complete_.contains(id);
}

server_state::server_state(const episode& of)
    : plan(of), addresses(net::socket_addr::parse(own_host() + ":0").value()), tls(make_tls(addresses.trusted)) {}

net::serve_options options_of(const generation& now) {
    return net::serve_options().shutdown(now.ends).drain(now.drain).on_error([](const eddy::unobserved_error& failed) {
        if (failed.exception) watch::get().fail("a handler threw: " + failed.what());
    });
}

servers::servers(const episode& plan) : state_(std::make_shared<server_state>(plan)) {}

void servers::start(host& on) {
    for (std::size_t i = 0; i < port_count; ++i) {
        on.add([state = state_, i] { return run_server(state, static_cast<port>(i)); });
    }
    const auto generation = [&] {
        const std::lock_guard guard(state_->lock);
        return state_->generation;
    }();
    wait_until_running(generation);
}

service_addresses servers::addresses() const {
    const std::lock_guard guard(state_->lock);
    return state_->addresses;
}

void servers::restart(restart_kind how) {
    eddy::sync::cancellation_token ends;
    eddy::sync::cancellation_token drops;
    unsigned next = 0;
    {
        const std::lock_guard guard(state_->lock);
        std::swap(ends, state_->ends);
        std::swap(drops, state_->drops);
        next = ++state_->generation;
    }
    if (how != restart_kind::abrupt) ends.cancel();
    if (how == restart_kind::hurried) std::this_thread::sleep_for(10ms);
    if (how != restart_kind::graceful) drops.cancel();
    wait_until_running(next);
}

void servers::end() {
    eddy::sync::cancellation_token ends;
    {
        const std::lock_guard guard(state_->lock);
        state_->is_over = true;
        ends = state_->ends;
    }
    ends.cancel();
    wait_until_running(0);
}

void servers::wait_until_running(unsigned generation) {
    for (const auto limit = watch::get().tick() + 300; watch::get().tick() < limit;) {
        {
            const std::lock_guard guard(state_->lock);
            if (std::ranges::all_of(state_->running, [&](unsigned each) { return each == generation; })) return;
        }
        std::this_thread::sleep_for(1ms);
    }
    watch::get().fail(generation == 0 ? "the servers have not ended within 30 s" : "the servers do not run after 30 s");
}

}  // namespace soak
