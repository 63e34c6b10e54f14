// SPDX-License-Identifier: MIT
// Child processes: eddy::process beside posix_spawn(3) and waitid(2), in turn, in one run.
//     $ bench_spawns [GIB]
// GIB is the memory that this program has in use. Prints a line for each case: the best one of several runs each, and
// the ratio of the times.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

namespace {

namespace process = eddy::process;
using bench_clock = std::chrono::steady_clock;

void check(bool is_right, const char* what) {
    if (is_right) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
}

double seconds_of(const std::function<void()>& work) {
    const auto begin = bench_clock::now();
    work();
    return std::chrono::duration<double>(bench_clock::now() - begin).count();
}

/// Prints the best times of both, which run in turn. `prepare` is not measured.
void compare(
    const char* name, int runs, const std::function<void()>& bare, const std::function<void()>& eddy,
    const std::function<void()>& prepare = [] {}) {
    double best_bare = 1e9, best_eddy = 1e9;
    for (int i = 0; i < runs; ++i) {
        prepare();
        best_bare = std::min(best_bare, seconds_of(bare));
        prepare();
        best_eddy = std::min(best_eddy, seconds_of(eddy));
    }
    std::printf("%-24s bare %8.1f ms, eddy %8.1f ms, ratio %.3f\n", name, best_bare * 1e3, best_eddy * 1e3,
                best_eddy / best_bare);
    std::fflush(stdout);
}

// ---- Bare ----

pid_t start_true() {
    std::string name = "/bin/true";
    std::array<char*, 2> arguments{name.data(), nullptr};
    pid_t id = 0;
    check(::posix_spawn(&id, name.c_str(), nullptr, nullptr, arguments.data(), environ) == 0, "posix_spawn");
    return id;
}

void wait_for(pid_t id) {
    siginfo_t info{};
    check(::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED) == 0 && info.si_status == 0, "waitid");
}

void bare_in_turn(int count) {
    while (count-- != 0) wait_for(start_true());
}

void bare_at_once(int count, int at_once) {
    for (; count > 0; count -= at_once) {
        std::vector<pid_t> ids;
        for (int i = 0; i < std::min(count, at_once); ++i) ids.push_back(start_true());
        for (const auto id : ids) wait_for(id);
    }
}

/// A loop of poll(2) that writes to `cat` and reads from it.
void bare_cat(const std::string& input, std::string& output) {
    std::array<int, 2> in{}, out{};
    check(::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0, "pipe2");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string name = "/bin/cat";
    std::array<char*, 2> arguments{name.data(), nullptr};
    pid_t id = 0;
    check(::posix_spawn(&id, name.c_str(), &actions, nullptr, arguments.data(), environ) == 0, "posix_spawn");
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    ::fcntl(in[1], F_SETFL, O_NONBLOCK);
    ::fcntl(out[0], F_SETFL, O_NONBLOCK);
    std::vector<char> buffer(64 * 1024);
    for (std::size_t written = 0;;) {
        std::array<pollfd, 2> both{{{out[0], POLLIN, 0}, {written < input.size() ? in[1] : -1, POLLOUT, 0}}};
        ::poll(both.data(), both.size(), -1);
        if (both[1].revents != 0) {
            const auto count = ::write(in[1], input.data() + written, input.size() - written);
            if (count > 0) written += static_cast<std::size_t>(count);
            if (written == input.size()) ::close(in[1]);
        }
        if (both[0].revents != 0) {
            const auto count = ::read(out[0], buffer.data(), buffer.size());
            if (count == 0) break;
            if (count > 0) output.append(buffer.data(), static_cast<std::size_t>(count));
        }
    }
    ::close(out[0]);
    wait_for(id);
}

// ---- eddy ----

eddy::task<void> run_true() {
    const auto started = co_await process::command("/bin/true").spawn();
    check(started.has_value(), "spawn");
    const auto status = co_await started->wait();
    check(status && status->is_success(), "wait");
}

eddy::task<void> in_turn(int count) {
    while (count-- != 0) co_await run_true();
}

eddy::task<void> at_once(int count, int most) {
    eddy::join_set<> running;
    for (int i = 0; i < count; ++i) {
        if (i >= most) check((co_await running.join_next()).has_value(), "join_next");
        running.spawn(run_true());
    }
    while (co_await running.join_next()) {
    }
}

eddy::task<void> cat(std::string input, std::string& output) {
    auto done = co_await process::run(process::command("/bin/cat"), process::run_options().input(std::move(input)));
    check(done.has_value(), "cat");
    output = std::move(done->out);
}

void compare_all(const char* executor, const std::function<void(eddy::task<void>)>& run) {
    const auto name = [&](const char* of) { return std::string(executor) + ", " + of; };
    compare(name("1000 in turn").c_str(), 5, [] { bare_in_turn(1000); }, [&] { run(in_turn(1000)); });
    compare(name("64 at once").c_str(), 5, [] { bare_at_once(1024, 64); }, [&] { run(at_once(1024, 64)); });
    const std::string data(200'000'000, 'x');
    std::string input, output;
    compare(
        name("200 MB by cat").c_str(), 5, [&] { bare_cat(input, output); }, [&] { run(cat(std::move(input), output)); },
        [&] {
            input = data;
            output = std::string();
            output.shrink_to_fit();
        });
    check(output == data, "the output is the input");
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t gib = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    const std::vector<char> resident(gib << 30U, 'x');
    eddy::core loop;
    compare_all("event loop", [&](eddy::task<void> work) { loop.run(std::move(work)); });
    eddy::runtime runs;
    compare_all("runtime", [&](eddy::task<void> work) { runs.block_on(std::move(work)); });
    return resident.empty() || resident.back() == 'x' ? 0 : 1;
}
