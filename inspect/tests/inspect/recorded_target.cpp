// SPDX-License-Identifier: MIT
// A program whose flight recorder the tests read, with EDDY_TRACE=FILE:
//     recorded_target run      ends, and prints what the recording must contain
//     recorded_target brief    ends without exit(), and so without LeakSanitizer, which fails in a set-user-ID program
//     recorded_target crash    a task named "culprit" crashes; the program's own handler of the signal prints a line
//     recorded_target abort    the same by abort(), without a handler
//     recorded_target small_stack   crashes on a signal stack of 16 KiB; its handler prints whether that was enough
//     recorded_target closed_library   ends after the memory with the place of a spawn has gone
//     recorded_target fork     forks a child that calls exit(), waits for it, and ends without exit()
//     recorded_target last FILE   runs three loops one by one, and removes FILE before each; the last has a task "last"
//     recorded_target many FILE   runs 300 loops, removes FILE after each, and prints how often it existed
//     recorded_target slow FILE   runs a loop and forks, while another thread writes FILE into a disk that waits for
//     that recorded_target wait     prints "ready", and waits recorded_target stall FILE   a task named "culprit"
//     computes until FILE exists, and then prints "file exists"
#include <eddy/prelude.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;

task<void> echo(tcp_stream client) {
    std::array<std::byte, 100> buffer;
    for (;;) {
        const auto read = co_await client.read(buffer);
        if (!read || *read == 0) co_return;
        const auto written = co_await client.write_all(std::span(buffer).first(*read));
        if (!written) co_return;
    }
}

task<void> ask(eddy::net::socket_addr whom) {
    auto server = co_await tcp_stream::connect(whom);
    std::array<std::byte, 5> buffer{};
    for (int i = 0; i < 10; ++i) {
        static_cast<void>(co_await server->write_all(buffer));
        static_cast<void>(co_await server->read_exact(buffer));
    }
}

task<void> serve_and_ask() {
    auto listener = co_await tcp_listener::bind("127.0.0.1:0");
    eddy::join_set<void> all;
    for (int i = 0; i < 8; ++i) {
        all.spawn(ask(*listener->local_addr()));
        auto accepted = co_await listener->accept();
        all.spawn(echo(std::move(accepted->stream)));
    }
    while (auto one = co_await all.join_next()) {
    }
    auto sleeper = eddy::task_builder().name("sleeps").spawn([]() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await eddy::time::sleep(1ms);
        co_await eddy::yield_now();
    }());
    static_cast<void>(co_await sleeper);
}

task<void> crash() {
    auto culprit = eddy::task_builder().name("culprit").spawn([]() -> task<void> {
        co_await eddy::yield_now();
        std::raise(SIGSEGV);
    }());
    static_cast<void>(co_await culprit);
}

task<void> end_by_abort() {
    std::abort();
    co_return;
}

task<void> compute_until(std::string file) {
    auto culprit = eddy::task_builder().name("culprit").spawn([](std::string awaited) -> task<void> {
        while (access(awaited.c_str(), F_OK) != 0) {
        }
        static_cast<void>(!write(2, "file exists\n", 12));
        co_return;
    }(std::move(file)));
    static_cast<void>(co_await culprit);
}

/// Below the signal stack is memory that a handler must not change.
void crash_on_small_stack() {
    constexpr std::size_t below = 65'536;
    constexpr std::size_t stack_size = 16'384;
    static std::array<char, below + stack_size> memory;
    memory.fill('x');
    stack_t stack{};
    stack.ss_sp = memory.data() + below;
    stack.ss_size = stack_size;
    sigaltstack(&stack, nullptr);
    struct sigaction own{};
    own.sa_flags = SA_ONSTACK;
    own.sa_handler = [](int) {
        const bool is_enough = std::ranges::all_of(std::span(memory).first(below), [](char c) { return c == 'x'; });
        static_cast<void>(!write(1, is_enough ? "enough\n" : "too small\n", is_enough ? 7 : 10));
        _exit(3);
    };
    sigaction(SIGSEGV, &own, nullptr);
    eddy::core().run(crash());
}

/// Spawns a task at a place that the program has only meanwhile, as the place in a library that is closed afterwards.
void spawn_in_closed_library() {
    struct record {  // of the compiler: what a source_location points to
        const char* file;
        const char* function;
        unsigned line;
        unsigned column;
    };
    constexpr std::size_t size = 65'536;
    void* const library = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char* const file = static_cast<char*>(library) + sizeof(record);
    std::strcpy(file, "library.cpp");
    const auto* const place = new (library) record{file, file, 1, 1};
    eddy::core loop;
    loop.run([](std::source_location where) -> task<void> {
        auto one = eddy::spawn([]() -> task<void> { co_await eddy::yield_now(); }(), where);
        static_cast<void>(co_await one);
    }(std::bit_cast<std::source_location>(place)));
    munmap(library, size);
}

void fork_child_that_exits() {
    auto loop = std::make_unique<eddy::core>();
    loop->run([]() -> task<void> { co_await eddy::yield_now(); }());
    const pid_t child = fork();
    if (child == 0) std::exit(0);
    waitpid(child, nullptr, 0);
    _exit(0);
}

void run_loops(const char* file) {
    for (const char* const name : {"first", "second", "last"}) {
        std::remove(file);
        eddy::core().run([](const char* named) -> task<void> {
            auto one = eddy::task_builder().name(named).spawn([]() -> task<void> { co_await eddy::yield_now(); }());
            static_cast<void>(co_await one);
        }(name));
    }
}

/// Runs loops, each of which may write the file, and prints how many have.
void run_many_loops(const char* file) {
    int written = 0;
    for (int i = 0; i < 300; ++i) {
        eddy::core().run([]() -> task<void> {
            for (int polls = 0; polls < 100; ++polls) co_await eddy::yield_now();
        }());
        if (std::remove(file) == 0) ++written;
    }
    std::printf("written=%d\n", written);
}

std::atomic<bool> disk_is_slow = false;
std::atomic<bool> file_is_written = false;  // but for the wait

void write_to_slow_disk(const char* file) {
    eddy::start_recording(eddy::recording_options());
    disk_is_slow = true;
    std::thread writer([&] { std::printf("written=%d\n", eddy::write_recording(file).has_value() ? 1 : 0); });
    file_is_written.wait(false);
    eddy::core().run([]() -> task<void> { co_await eddy::yield_now(); }());
    const pid_t child = fork();
    if (child == 0) _exit(eddy::write_recording(std::string(file) + ".child").has_value() ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    std::printf("child=%d\n", WEXITSTATUS(status));
    disk_is_slow = false;
    disk_is_slow.notify_all();
    writer.join();
}

task<void> wait_for_ever() {
    co_await eddy::yield_now();
    std::puts("ready");
    std::fflush(stdout);
    co_await eddy::time::sleep(1h);
}

int run() {
    std::uint64_t polls = 0;
    std::uint64_t spawns = 0;
    std::uint64_t parks = 0;
    {
        auto pool = eddy::runtime::builder().worker_threads(2).build();
        pool->block_on(serve_and_ask());
        const auto metrics = pool->metrics();
        polls = metrics.polls();
        spawns = metrics.spawned_tasks;
        parks = metrics.parks();
    }
    std::printf("poll=%llu spawn=%llu park=%llu\n", static_cast<unsigned long long>(polls),
                static_cast<unsigned long long>(spawns), static_cast<unsigned long long>(parks));
    return 0;
}

}  // namespace

// Replaces that of the C library: the last call for a file. A child inherits a slow disk, but it has its own file.
extern "C" int rename(const char* from, const char* to) noexcept {
    if (disk_is_slow && !std::string_view(to).ends_with(".child")) {
        file_is_written = true;
        file_is_written.notify_all();
        disk_is_slow.wait(true);
    }
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "run") return run();
    if (what == "loop") {
        eddy::core loop;
        loop.run(serve_and_ask());
        const auto metrics = loop.metrics();
        std::printf("poll=%llu\n", static_cast<unsigned long long>(metrics.polls()));
        return 0;
    }
    if (what == "brief") {
        eddy::core().run(serve_and_ask());
        _exit(0);
    }
    if (what == "crash") {
        std::signal(SIGSEGV, [](int) {
            static_cast<void>(!write(1, "own handler\n", 12));
            _exit(3);
        });
        eddy::core().run(crash());
    }
    if (what == "stall" && argc > 2) {
        eddy::core().run(compute_until(argv[2]));
        return 0;
    }
    if (what == "small_stack") crash_on_small_stack();
    if (what == "closed_library") return spawn_in_closed_library(), 0;
    if (what == "fork") fork_child_that_exits();
    if (what == "last" && argc > 2) return run_loops(argv[2]), 0;
    if (what == "many" && argc > 2) return run_many_loops(argv[2]), 0;
    if (what == "slow" && argc > 2) return write_to_slow_disk(argv[2]), 0;
    if (what == "abort") eddy::core().run(end_by_abort());
    if (what == "wait") eddy::core().run(wait_for_ever());
    return 1;
}
