// SPDX-License-Identifier: MIT
// A soak of everything above the sockets: TLS, HTTP/1.1, HTTP/2, WebSockets and proto, see ../README.md. Compares
// every byte, drops operations, restarts servers, and ends runtimes in each way. The first failure ends the program.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <csignal>

#include "arguments.hpp"
#include "episode.hpp"
#include "plan.hpp"
#include "process.hpp"
#include "watch.hpp"

namespace {

using soak::arguments;

/// Returns the options that start the servers of an episode in another process.
std::vector<std::string> server_options(const arguments& chosen, unsigned number) {
    std::vector<std::string> made = {
        "soak_layers", "--server",    "--seed",  std::to_string(chosen.seed), "--episode", std::to_string(number),
        "--driver",    chosen.driver, "--stall", std::to_string(chosen.stall)};
    if (chosen.keeps_going) made.emplace_back("--keep-going");
    return made;
}

int run(const arguments& chosen) {
    soak::print_start(chosen);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(chosen.seconds);
    unsigned number = chosen.episode.value_or(0);
    do {
        const soak::episode plan(chosen.seed, number, chosen.driver_of(number));
        std::fprintf(stderr, "%s\n", plan.text().c_str());
        soak::run_episode(plan, server_options(chosen, number));
        if (!chosen.episode) ++number;
    } while (std::chrono::steady_clock::now() < end);
    return soak::print_end(chosen);
}

}  // namespace

int main(int count, char** words) {
    arguments chosen(count, words);
    std::signal(SIGPIPE, SIG_IGN);
    soak::start_watch(chosen);
    int code = 0;
    if (chosen.is_server) {
        const soak::episode plan(chosen.seed, chosen.episode.value_or(0), chosen.driver_of(chosen.episode.value_or(0)));
        soak::watch::get().set_episode(plan.text());
        code = soak::run_server_process(plan);
    } else {
        code = run(chosen);
    }
    soak::watch::get().stop();
    return code;
}
