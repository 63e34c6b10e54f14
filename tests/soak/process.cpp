// SPDX-License-Identifier: MIT
#include "process.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "episode.hpp"

namespace soak {
namespace {

constexpr std::array<const char*, 3> restarts = {"restart graceful", "restart hurried", "restart abrupt"};

}  // namespace

// ---- The parent ----

server_process::server_process(const std::vector<std::string>& arguments)
    : addresses_(eddy::net::socket_addr::parse("127.0.0.1:0").value()) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    std::vector<std::string> words = arguments;
    std::vector<char*> pointers;
    for (auto& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    id_ = ::fork();
    if (id_ == 0) {  // only functions that are async-signal-safe
        ::dup2(in[0], 0);
        ::dup2(out[1], 1);
        ::execv("/proc/self/exe", pointers.data());
        ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    for (auto& each : addresses_.of) each = eddy::net::socket_addr::parse(read_line()).value();
    for (auto line = read_line(); line != "."; line = read_line()) addresses_.trusted += line + "\n";
}

server_process::~server_process() {
    std::fclose(to_);
    std::fclose(from_);
    if (id_ > 0) ::waitpid(id_, nullptr, 0);
}

std::string server_process::read_line() {
    std::string line;
    for (int each = std::fgetc(from_); each != '\n'; each = std::fgetc(from_)) {
        if (each == EOF) {
            watch::get().fail("the server process has ended");
            std::_Exit(1);
        }
        line += static_cast<char>(each);
    }
    return line;
}

void server_process::send(const std::string& line) {
    std::fputs((line + "\n").c_str(), to_);
    std::fflush(to_);
}

void server_process::restart(restart_kind how) {
    send(restarts.at(static_cast<std::size_t>(how)));
    static_cast<void>(read_line());
}

void server_process::stop() {
    send("stop");
    static_cast<void>(read_line());
    int status = 0;
    ::waitpid(id_, &status, 0);
    id_ = -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) watch::get().fail("the server process has failed");
}

void server_process::ask_for_dump() {
    send("dump");
    std::this_thread::sleep_for(std::chrono::seconds(1));
}

// ---- The child ----

int run_server_process(const episode& plan) {
    const auto descriptors = count_descriptors();
    {
        host on(plan.server_workers, plan.driver);
        servers all(plan);
        all.start(on);
        const auto addresses = all.addresses();
        std::string text;
        for (const auto& each : addresses.of) text += each.to_string() + "\n";
        std::fputs((text + addresses.trusted + ".\n").c_str(), stdout);
        std::fflush(stdout);
        bool is_stopped = false;
        for (std::string line; !is_stopped && std::getline(std::cin, line);) {
            if (line == "dump") {
                watch::get().dump();
                continue;
            }
            for (std::size_t i = 0; i < restarts.size(); ++i) {
                if (line == restarts.at(i)) all.restart(static_cast<restart_kind>(i));
            }
            if (line == "stop") {
                stop_servers(all, on, plan.server_end);
                is_stopped = true;
                break;
            }
            std::puts("done");
            std::fflush(stdout);
        }
        if (!is_stopped) std::_Exit(1);  // the parent has ended
    }
    check_leftovers(descriptors);
    std::puts("done");
    std::fflush(stdout);
    return watch::get().failures() == 0 ? 0 : 1;
}

}  // namespace soak
