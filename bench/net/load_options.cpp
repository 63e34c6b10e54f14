// SPDX-License-Identifier: MIT
#include "load_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "clients.hpp"

namespace bench {

namespace {

void describe(CLI::App& app, load_options& wanted) {
    app.add_option("--port", wanted.port, "the server's, on 127.0.0.1")->required();
    app.add_option("--connections", wanted.connections, "how many at once")->check(CLI::PositiveNumber);
    app.add_option("--size", wanted.size, "bytes in a request")->check(CLI::PositiveNumber);
    app.add_option("--warmup", wanted.warmup, "seconds that do not count, before those that do");
    auto* pid = app.add_option("--server-pid", wanted.server_pid, "read this process's processor time too");
    app.add_flag("--count-calls", wanted.count_calls, "and count its system calls")->needs(pid);
    app.add_flag("--json", wanted.json, "the figures in one line");

    auto* how = app.add_option_group("how the requests come (by default each connection sends the next at once)");
    auto* depth = how->add_option("--depth", wanted.depth, "requests in flight on each connection");
    depth->check(CLI::Range(std::size_t{1}, clients::most_depth));
    how->add_option("--active", wanted.active, "only so many connections at a time have a request in flight");
    how->add_option("--rate", wanted.rate, "requests a second, at random moments");
    how->add_flag("--churn", wanted.churn, "each connection is closed after its answer, and a new one opened");
    how->require_option(0, 1);

    auto* end = app.add_option_group("when it ends");
    end->add_option("--seconds", wanted.seconds, "after this time, which counts from the end of the warm-up")
        ->check(CLI::PositiveNumber);
    auto* storm = end->add_option("--storm", wanted.storm, "when as many new clients, all at once, were answered");
    storm->needs(pid);
    auto* idle = end->add_option("--idle", wanted.idle, "after this time of silence, or when standard input is closed");
    end->require_option(1);
    how->excludes(storm)->excludes(idle);
}

void check(const load_options& wanted) {
    if (wanted.active > wanted.connections)
        throw CLI::ValidationError("--active", "there are fewer --connections than that");
}

}  // namespace

load_options load_options::parse(int argc, char** argv) {
    load_options wanted;
    CLI::App app("Clients of an echo server; every byte of every answer is compared.");
    describe(app, wanted);
    try {
        app.parse(argc, argv);
        check(wanted);
    } catch (const CLI::ParseError& wrong) {
        std::exit(app.exit(wrong));
    }
    return wanted;
}

}  // namespace bench
