// SPDX-License-Identifier: MIT
#include "episode.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "client.hpp"
#include "process.hpp"
#include "watch.hpp"

namespace soak {
namespace {

using eddy::task;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

/// Waits until `is_true()`, for at most `limit` of the watch's ticks. Returns whether it is.
bool wait_until(const std::function<bool()>& is_true, std::chrono::milliseconds limit) {
    const auto last = watch::get().tick() + static_cast<std::uint64_t>(limit / watch::tick_length);
    while (!is_true()) {
        if (watch::get().tick() > last) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

void expect_no_tasks(const host& on, const char* whose) {
    if (!wait_until([&] { return on.alive_tasks() == 0; }, 10s))
        watch::get().fail(std::to_string(on.alive_tasks()) + " tasks of the " + whose + " are left");
}

/// Counts a session that runs.
class running_session {
public:
    explicit running_session(std::shared_ptr<client_state> of) : of_(std::move(of)) {}
    running_session(running_session&& other) noexcept = default;
    running_session& operator=(running_session&&) = delete;
    ~running_session() {
        if (of_) --of_->running;
    }

private:
    std::shared_ptr<client_state> of_;
};

task<void> run_session(std::shared_ptr<client_state> state, std::shared_ptr<shared_clients> with, layer of,
                       unsigned number, running_session counted) {
    switch (of) {
    case layer::tls: co_await run_tls_session(state, number); break;
    case layer::ws:
    case layer::wss: co_await run_ws_session(state, of, number); break;
    case layer::pipelined:
    case layer::multiplexed: co_await run_proto_session(state, of, number); break;
    case layer::pipelined_bodies:
    case layer::multiplexed_bodies: co_await run_bodies_session(state, of, number); break;
    default: co_await run_http_session(state, std::move(with), of, number); break;
    }
    static_cast<void>(counted);
}

void start_sessions(const std::shared_ptr<client_state>& state, host& on) {
    const auto with = make_shared_clients(state);
    for (std::size_t i = 0; i < layer_count; ++i) {
        for (unsigned number = 0; number < state->plan.sessions.at(i); ++number) {
            ++state->running;
            auto counted = std::make_shared<running_session>(state);
            on.add([=] { return run_session(state, with, static_cast<layer>(i), number, std::move(*counted)); });
        }
    }
}

/// The servers of an episode, in this process or in another one.
class any_servers {
public:
    any_servers(const episode& plan, const std::vector<std::string>& arguments, host& clients) : end_(plan.server_end) {
        if (plan.has_server_process) {
            other_.emplace(arguments);
            watch::get().set_other_dump([this] { other_->ask_for_dump(); });
            return;
        }
        if (!plan.shares_runtime) own_.emplace(plan.server_workers, plan.driver);
        on_ = own_ ? &*own_ : &clients;
        here_.emplace(plan);
        here_->start(*on_);
    }
    any_servers(const any_servers&) = delete;
    any_servers& operator=(const any_servers&) = delete;
    ~any_servers() { watch::get().set_other_dump(nullptr); }

    [[nodiscard]] service_addresses addresses() const { return other_ ? other_->addresses() : here_->addresses(); }
    void restart(restart_kind how) {
        if (other_) {
            other_->restart(how);
        } else {
            here_->restart(how);
        }
    }
    void stop() {
        if (other_) {
            other_->stop();
        } else if (own_) {
            stop_servers(*here_, *own_, end_);
        } else {
            here_->end();
        }
    }

private:
    stop_kind end_;
    std::optional<server_process> other_;
    std::optional<host> own_;
    host* on_ = nullptr;
    std::optional<servers> here_;
};

/// Lets the traffic run, and restarts the servers from time to time.
void conduct(const episode& plan, client_state& clients, any_servers& all) {
    support::dice random(mix(plan.seed, 600));
    const auto end = std::chrono::steady_clock::now() + plan.length;
    while (std::chrono::steady_clock::now() < end) {
        const auto left = end - std::chrono::steady_clock::now();
        if (plan.restart_interval == 0ms || plan.restart_interval > left) {
            std::this_thread::sleep_for(left);
            return;
        }
        std::this_thread::sleep_for(plan.restart_interval);
        clients.disturbances.begin();
        all.restart(static_cast<restart_kind>(random.below(3)));
        clients.disturbances.end();
    }
}

}  // namespace

std::size_t count_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void stop_servers(servers& all, host& on, stop_kind how) {
    if (how == stop_kind::graceful) {
        all.end();
        expect_no_tasks(on, "servers");
    }
    on.stop(how);
}

void check_leftovers(std::size_t descriptors_before) {
    if (!wait_until([] { return watch::get().live() == 0; }, 10s))
        watch::get().fail(std::to_string(watch::get().live()) + " operations are left after the end of their runtime");
    // io_uring closes some descriptors late.
    if (!wait_until([&] { return count_descriptors() <= descriptors_before; }, 10s))
        watch::get().fail(std::to_string(count_descriptors()) + " descriptors are open, " +
                          std::to_string(descriptors_before) + " before the episode");
}

void run_episode(const episode& plan, const std::vector<std::string>& server_arguments) {
    watch::get().set_episode(plan.text());
    const auto descriptors = count_descriptors();
    {
        host on(plan.client_workers, plan.driver);
        any_servers all(plan, server_arguments, on);
        auto state = std::make_shared<client_state>(plan, all.addresses());
        std::vector<unsigned> ports;
        for (const auto& each : state->addresses.of) ports.push_back(each.port());
        watch::get().set_ports(std::move(ports));
        start_sessions(state, on);
        conduct(plan, *state, all);

        // The operations in progress continue to their end, or are interrupted by the end of a runtime.
        const bool is_graceful = plan.client_end == stop_kind::graceful;
        const bool server_first = plan.server_end != stop_kind::graceful && !plan.shares_runtime;
        if (!is_graceful || server_first) state->disturbances.begin();
        if (server_first) all.stop();
        if (is_graceful) {
            state->is_over = true;
            if (!wait_until([&] { return state->running == 0; }, 60s)) watch::get().fail("sessions do not end");
            if (!plan.shares_runtime) expect_no_tasks(on, "clients");
        } else if (!plan.shares_runtime) {
            on.stop(plan.client_end);
        }
        if (!server_first && (is_graceful || !plan.shares_runtime)) all.stop();
        if (is_graceful && plan.shares_runtime) expect_no_tasks(on, "clients and servers");
        state->is_over = true;
        on.stop(plan.client_end);
    }
    check_leftovers(descriptors);
}

}  // namespace soak
