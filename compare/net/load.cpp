// SPDX-License-Identifier: MIT

// The load generator of the groups `net` and `http`: clients of an echo server, or of an HTTP server, on one thread and
// one epoll loop.
//
//     $ bench_load --port 7000 --connections 100 --size 64 --seconds 2 --warmup 0.5
//     $ bench_load --port 7000 --connections 100 --rate 50000 --seconds 2
//     $ bench_load --port 7000 --connections 10000 --idle 60
//     $ bench_load --port 7000 --connections 100 --http --seconds 2
//
// It compares every byte of every answer. The first wrong byte or lost connection ends the run with status 1. It does
// not use eddy, so that a bug in eddy cannot affect both sides of a measurement.

#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "clients.hpp"
#include "http_messages.hpp"
#include "interval.hpp"
#include "load_options.hpp"
#include "modes.hpp"
#include "pattern.hpp"
#include "server_costs.hpp"

namespace {

void raise_descriptor_limit(unsigned connections) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < connections + 16)
        throw std::runtime_error("RLIMIT_NOFILE (" + std::to_string(limit.rlim_max) + ") is too low for " +
                                 std::to_string(connections) + " connections: raise the hard limit");
}

std::unique_ptr<const bench::messages> make_messages(const bench::load_options& wanted) {
    if (wanted.http) return std::make_unique<bench::http_messages>(wanted.port);
    return std::make_unique<bench::pattern>(wanted.size);
}

void run(const bench::load_options& wanted, bench::clients& all, bench::interval& measured) {
    if (wanted.storm > 0) return bench::storm(wanted, all, measured);
    if (wanted.churn) return bench::churn(wanted, all, measured);
    if (wanted.rate > 0) return bench::open_loop(wanted, all, measured);
    bench::closed_loop(wanted, all, measured);
}

void print(const bench::load_options& wanted, const bench::interval& measured) {
    const auto seconds = static_cast<double>(measured.elapsed()) / 1e9;
    const auto us = [&](double quantile) { return static_cast<double>(measured.latencies().at(quantile)) / 1e3; };
    const auto server = measured.server();
    const nlohmann::ordered_json figures = {
        {"requests", measured.requests()},
        {"seconds", seconds},
        {"requests_per_s", static_cast<double>(measured.requests()) / seconds},
        {"p50_us", us(0.5)},
        {"p99_us", us(0.99)},
        {"p999_us", us(0.999)},
        {"max_us", static_cast<double>(measured.latencies().max()) / 1e3},
        {"load_cpu_ns", measured.own_cpu()},
        {"server_cpu_ns", server.cpu},
        {"server_user_ticks", server.user_ticks},
        {"server_system_ticks", server.system_ticks},
        {"server_calls", server.calls},
    };
    std::puts(figures.dump(wanted.json ? -1 : 4).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = bench::load_options::parse(argc, argv);
    const unsigned most = wanted.connections + wanted.storm;
    try {
        raise_descriptor_limit(most);
        bench::clients all(wanted.port, make_messages(wanted), most);
        if (wanted.idle > 0) {
            bench::idle(wanted, all);
        } else {
            bench::interval measured{bench::server_costs(wanted.server_pid, wanted.count_calls)};
            run(wanted, all, measured);
            print(wanted, measured);
        }
    } catch (const std::exception& what) {
        std::fprintf(stderr, "bench_load: %s\n", what.what());
        return 1;
    }
}
