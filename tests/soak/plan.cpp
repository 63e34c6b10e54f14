// SPDX-License-Identifier: MIT
#include "plan.hpp"

#include <algorithm>
#include <bit>

namespace soak {
namespace {

using std::chrono_literals::operator""ms;

void set_sessions(episode& of, std::initializer_list<layer> layers, unsigned count) {
    for (const auto each : layers) of.sessions.at(static_cast<std::size_t>(each)) = count;
}

/// All layers, with restarts.
void mix_layers(episode& of, support::dice& random) {
    of.focus = "all layers";
    of.sessions.fill(2);
    of.has_server_process = random.one_in(2);
    if (random.one_in(2)) of.restart_interval = std::chrono::milliseconds(random.between(200, 1500));
    of.traffic.most_bytes = 1 << random.between(12, 20);
    of.traffic.drops_one_in = static_cast<unsigned>(random.between(0, 6));
}

/// Many streamed uploads on one HTTP/2 connection, of which many are dropped.
void upload(episode& of, support::dice& random) {
    of.focus = "HTTP/2 uploads";
    set_sessions(of, {random.one_in(3) ? layer::https2 : layer::http2}, 16);
    of.shares_runtime = random.one_in(2);
    of.client_workers = of.server_workers = 3;
    of.has_server_process = !of.shares_runtime && random.one_in(3);
    of.max_streams = random.one_of<std::uint32_t>({1, 4, 8, 100});
    of.traffic.most_bytes = 1 << random.between(10, 17);
    of.traffic.drops_one_in = static_cast<unsigned>(random.between(2, 4));
    of.traffic.pauses_one_in = random.one_in(2) ? 0 : 200;
    of.traffic.uploads_percent = 90;
    of.traffic.both_percent = 5;
}

/// Large bodies in both directions on one HTTP/2 connection, with readers that pause.
void exchange(episode& of, support::dice& random) {
    of.focus = "HTTP/2 bulk";
    set_sessions(of, {random.one_in(3) ? layer::https2 : layer::http2}, static_cast<unsigned>(random.between(4, 16)));
    of.shares_runtime = random.one_in(2);
    if (of.shares_runtime && random.one_in(2)) of.client_workers = 0;
    of.has_server_process = !of.shares_runtime && random.one_in(3);
    of.traffic.most_bytes = 1 << random.between(17, 22);
    of.traffic.has_large_bodies = true;
    of.traffic.drops_one_in = random.one_in(2) ? 0 : 8;
    of.traffic.pauses_one_in = random.one_in(3) ? 0 : static_cast<unsigned>(random.between(10, 200));
    of.traffic.uploads_percent = 10;
    of.traffic.both_percent = 80;
}

/// Many sessions of one layer.
void stress_one(episode& of, support::dice& random) {
    of.focus = "one layer";
    of.sessions.at(random.below(layer_count)) = 8;
    of.has_server_process = random.one_in(3);
    of.shares_runtime = !of.has_server_process && random.one_in(3);
    of.traffic.most_bytes = 1 << random.between(8, 22);
    of.traffic.drops_one_in = static_cast<unsigned>(random.between(0, 5));
    of.traffic.pauses_one_in = random.one_in(2) ? 0 : 50;
    if (random.one_in(3)) of.restart_interval = std::chrono::milliseconds(random.between(50, 1000));
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept {
    std::uint64_t mixed = a;
    for (const auto each : {b, c}) {
        mixed += (each + 1) * 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        mixed ^= mixed >> 31;
    }
    return mixed;
}

std::size_t any_size(support::dice& random, const traffic& like, std::size_t most) {
    most = std::min(most, like.most_bytes);
    if (like.has_large_bodies) return random.between(0, most);
    const auto limit = std::size_t{1} << random.below(static_cast<std::size_t>(std::bit_width(most)) + 1);
    return std::min(most, random.below(limit + 1));
}

episode::episode(std::uint64_t from, unsigned which, eddy::driver_kind on)
    : seed(mix(from, which)), number(which), driver(on) {
    support::dice random(seed);
    server_workers = static_cast<unsigned>(random.between(0, 4));
    client_workers = static_cast<unsigned>(random.between(0, 4));
    max_streams = random.one_of<std::uint32_t>({2, 100, 100});
    length = std::chrono::milliseconds(random.between(2500, 4500));
    client_end = static_cast<stop_kind>(random.below(5));
    server_end = static_cast<stop_kind>(random.below(5));
    if (random.one_in(2)) client_end = server_end = stop_kind::graceful;
    // The first episodes cover all kinds of traffic.
    constexpr std::array kinds = {upload, mix_layers, exchange, stress_one};
    const auto kind = which % (kinds.size() + 1);
    kinds.at(kind < kinds.size() ? kind : random.below(kinds.size()))(*this, random);
    if (shares_runtime) server_workers = client_workers;
}

std::string episode::text() const {
    const auto on = [](unsigned workers) {
        return workers == 0 ? "an event loop" : std::to_string(workers) + " workers";
    };
    std::string layers;
    for (std::size_t i = 0; i < layer_count; ++i) {
        if (sessions.at(i) != 0) layers += " " + std::to_string(sessions.at(i)) + "x" + name_of(static_cast<layer>(i));
    }
    return "episode " + std::to_string(number) + ", " + focus + " on " +
           (driver == eddy::driver_kind::io_uring ? "io_uring" : "epoll") + ":" + layers + "; clients on " +
           on(client_workers) + ", servers on " + on(server_workers) +
           (has_server_process ? " of another process"
            : shares_runtime   ? " (the same)"
                               : "") +
           ", restarts each " + std::to_string(restart_interval.count()) + " ms, bodies up to " +
           std::to_string(traffic.most_bytes) + " bytes, drops 1 in " + std::to_string(traffic.drops_one_in) +
           ", pauses 1 in " + std::to_string(traffic.pauses_one_in) + ", at most " + std::to_string(max_streams) +
           " streams";
}

}  // namespace soak
