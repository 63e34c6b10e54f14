// SPDX-License-Identifier: MIT
// Keeps services alive: starts commands of the shell, starts those again that end, and stops all of them, the last one
// first, when it is to end itself.
//     $ ./supervisor 'exec redis-server --port 7001' 'exec ./worker'
//     1: started, process 4711
//     2: started, process 4712
//     2: exit code 1, again in 83 ms
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using eddy::task;
using eddy::try_;
using eddy::sync::cancellation_token;

constexpr auto grace = 10s;       // between SIGTERM and SIGKILL
constexpr auto long_enough = 5s;  // a service that ran so long begins with the shortest delay again

template <class... Args>
void print(const char* format, Args... args) {
    std::printf(format, args...);
    std::fflush(stdout);
}

struct service {
    int number;
    std::string command;
};

// docs: supervise
/// Runs a service until it is to stop. Returns how it has ended after that.
task<std::string> keep_alive(service one, cancellation_token stop) {
    auto delays = eddy::time::backoff(100ms).max_retries(eddy::time::backoff::unlimited);
    for (;;) {
        const auto begin = std::chrono::steady_clock::now();
        std::string end;
        auto child = co_await process::command("sh", "-c", one.command).group().spawn();
        if (child) {
            print("%d: started, process %d\n", one.number, child->id());
            const auto ended = co_await eddy::select(child->wait(), stop.cancelled());
            if (ended.index() == 1) {
                const auto status = co_await child->stop(grace);
                co_return status ? status->to_string() : status.error().message();
            }
            const auto& status = std::get<0>(ended);
            end = status ? status->to_string() : status.error().message();
        } else {
            end = child.error().message();
        }
        if (std::chrono::steady_clock::now() - begin > long_enough) delays.reset();
        const auto delay = *delays.next();
        print("%d: %s, again in %lld ms\n", one.number, end.c_str(),
              static_cast<long long>(std::chrono::ceil<std::chrono::milliseconds>(delay).count()));
        const auto next = co_await eddy::select(eddy::time::sleep(delay), stop.cancelled());
        if (next.index() == 1) co_return end;
    }
}
// docs: end

task<eddy::result<void>> supervise(std::vector<std::string> commands) {
    const auto stop = co_await try_(eddy::signal::shutdown_token());
    std::vector<std::pair<cancellation_token, eddy::join_handle<std::string>>> services;
    for (auto& command : commands) {
        cancellation_token own;
        const int number = static_cast<int>(services.size()) + 1;
        services.emplace_back(own, eddy::spawn(keep_alive({number, std::move(command)}, own)));
    }
    co_await stop.cancelled();
    for (; !services.empty(); services.pop_back()) {
        auto& [own, ended] = services.back();
        own.cancel();
        const auto how = co_await std::move(ended);
        print("%zu: stopped, %s\n", services.size(), how.value().c_str());
    }
    co_return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s COMMAND...\n", argv[0]);
        return 2;
    }
    return eddy::run(supervise(std::vector<std::string>(argv + 1, argv + argc)));
}
