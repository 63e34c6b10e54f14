// SPDX-License-Identifier: MIT
// A soak of files and processes, see ../README.md: random sessions of fs and process, of which some operations are
// dropped, on runtimes that end in each way. After each episode, nothing may be left: no child, no descriptor, no
// temporary file. The first failure ends the program.
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include <eddy/process.hpp>
#include <eddy/runtime/core.hpp>

#include "arguments.hpp"
#include "host.hpp"
#include "work.hpp"

namespace soak {

std::string random_bytes(std::uint64_t seed, std::size_t count) {
    std::mt19937_64 random(seed);
    std::string bytes(count, '\0');
    for (std::size_t i = 0; i < count; i += 8) {
        const auto word = random();
        for (std::size_t k = i; k < std::min(count, i + 8); ++k)
            bytes[k] = static_cast<char>(word >> (8 * (k - i)) & 0x7f);
    }
    return bytes;
}

namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using session = eddy::task<void> (*)(std::shared_ptr<file_state>, unsigned);

bool wait_until(const std::function<bool()>& is_true) {
    const auto last = watch::get().tick() + 150;
    while (!is_true()) {
        if (watch::get().tick() > last) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

std::size_t count_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool has_children() {
    siginfo_t seen{};
    return ::waitid(P_ALL, 0, &seen, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

bool has_temporary_files(const std::filesystem::path& folder) {
    for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) {
        if (each.path().filename().native().starts_with(".write.")) return true;
    }
    return false;
}

/// Reports what is left at the end of an episode.
void check_leftovers(const std::filesystem::path& folder, std::size_t descriptors_before) {
    // A job keeps its operation: it may go on after the end of its runtime.
    if (!wait_until([] { return watch::get().live() == 0; })) watch::get().fail("operations are left");
    if (!wait_until([] { return !has_children(); })) watch::get().fail("child processes are left");
    if (!wait_until([&] { return count_descriptors() <= descriptors_before; }))
        watch::get().fail(std::to_string(count_descriptors()) + " descriptors are open, " +
                          std::to_string(descriptors_before) + " before the episode");
    if (!wait_until([&] { return !has_temporary_files(folder); })) watch::get().fail("a temporary file is left");
    std::filesystem::remove_all(folder);
}

void start_session(host& on, const std::shared_ptr<file_state>& state, session begin, unsigned number) {
    ++state->running;
    const auto counted = std::shared_ptr<void>(nullptr, [state](void*) { --state->running; });
    on.add([=]() -> eddy::task<void> {
        auto kept = counted;
        co_await begin(state, number);
        kept.reset();
    });
}

void run_episode(const arguments& chosen, const std::filesystem::path& top, unsigned number) {
    support::dice random(mix(chosen.seed, number));
    const auto driver = chosen.driver_of(number);
    const auto workers = static_cast<unsigned>(random.between(0, 4));
    const auto end = random.one_in(2) ? stop_kind::graceful : static_cast<stop_kind>(random.below(5));
    const auto drops = static_cast<unsigned>(random.between(0, 6));
    const auto text = "episode " + std::to_string(number) + " on " +
                      (driver == eddy::driver_kind::io_uring ? "io_uring" : "epoll") + ": " + std::to_string(workers) +
                      " workers, drops 1 in " + std::to_string(drops) + ", end " +
                      std::to_string(static_cast<int>(end));
    std::fprintf(stderr, "%s\n", text.c_str());
    watch::get().set_episode(text);
    is_interrupted = false;
    const auto folder = top / std::to_string(number);
    std::filesystem::create_directory(folder);
    const auto state = std::make_shared<file_state>(folder, mix(chosen.seed, number, 1), drops);
    const auto descriptors = count_descriptors();
    {
        host on(workers, driver);
        for (unsigned i = 0; i < 3; ++i) {
            for (const auto begin : {run_contents, run_trees, run_changes, run_programs})
                start_session(on, state, begin, i);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(random.between(2000, 4000)));
        if (end == stop_kind::graceful) {
            state->is_over = true;
            if (!wait_until([&] { return state->running == 0 && on.alive_tasks() == 0; }))
                watch::get().fail("sessions do not end");
        }
        is_interrupted = true;
        on.stop(end);
        state->is_over = true;
    }
    check_leftovers(folder, descriptors);
}

/// Starts a process: the library opens some descriptors once for the whole process.
void open_once() {
    const auto done = eddy::core().run(eddy::process::run(eddy::process::command("true")));
    if (!done) watch::get().fail("true: " + done.error().message());
}

int run(const arguments& chosen, const std::filesystem::path& top) {
    print_start(chosen);
    open_once();
    run_episode(chosen, top, chosen.episode.value_or(0));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(chosen.seconds);
    for (unsigned number = 1; !chosen.episode && std::chrono::steady_clock::now() < end; ++number)
        run_episode(chosen, top, number);
    return print_end(chosen);
}

}  // namespace
}  // namespace soak

int main(int count, char** words) {
    soak::arguments chosen(count, words);
    std::signal(SIGPIPE, SIG_IGN);
    std::string top = (std::filesystem::temp_directory_path() / "eddy.soak.XXXXXX").native();
    if (::mkdtemp(top.data()) == nullptr) return 1;
    soak::start_watch(chosen);
    const int code = soak::run(chosen, top);
    soak::watch::get().stop();
    std::filesystem::remove_all(top);
    return code;
}
