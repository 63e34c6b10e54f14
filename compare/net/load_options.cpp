// SPDX-License-Identifier: MIT
#include "load_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "clients.hpp"

namespace bench {

namespace {

void describe(CLI::App& app, load_options& wanted) {
    app.add_option("--port", wanted.port, "the port of the server on 127.0.0.1")->required();
    app.add_option("--connections", wanted.connections, "the number of connections")->check(CLI::PositiveNumber);
    auto* size = app.add_option("--size", wanted.size, "bytes per request")->check(CLI::PositiveNumber);
    app.add_flag("--http", wanted.http, "the server is an HTTP server, and each request is GET /")->excludes(size);
    app.add_option("--warmup", wanted.warmup, "seconds before the measurement");
    auto* pid = app.add_option("--server-pid", wanted.server_pid, "also measure the processor time of this process");
    app.add_flag("--count-calls", wanted.count_calls, "also count its system calls")->needs(pid);
    app.add_flag("--json", wanted.json, "print the figures in one line");

    auto* how =
        app.add_option_group("when requests are sent (default: each connection sends the next one after an answer)");
    auto* depth = how->add_option("--depth", wanted.depth, "requests in flight on each connection");
    depth->check(CLI::Range(std::size_t{1}, clients::most_depth));
    how->add_option("--active", wanted.active, "the number of connections that have a request in flight at a time");
    how->add_option("--rate", wanted.rate, "requests per second, at random times");
    how->add_flag("--churn", wanted.churn, "close each connection after its answer and open a new one");
    how->require_option(0, 1);

    auto* end = app.add_option_group("when the run ends");
    end->add_option("--seconds", wanted.seconds, "after this time, which starts at the end of the warm-up")
        ->check(CLI::PositiveNumber);
    auto* storm = end->add_option("--storm", wanted.storm,
                                  "after answers to this number of new clients that connect at the same time");
    storm->needs(pid);
    auto* idle = end->add_option("--idle", wanted.idle, "after this idle time, or when standard input is closed");
    end->require_option(1);
    how->excludes(storm)->excludes(idle);
}

void check(const load_options& wanted) {
    if (wanted.active > wanted.connections) throw CLI::ValidationError("--active", "is larger than --connections");
}

}  // namespace

load_options load_options::parse(int argc, char** argv) {
    load_options wanted;
    CLI::App app("Clients of an echo server or an HTTP server that compare every byte of every answer.");
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
