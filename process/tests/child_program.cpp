// SPDX-License-Identifier: MIT
// The program that tests start: a successor, and a program that waits for ever. Its first argument says what it does.
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

namespace {

namespace net = eddy::net;
namespace process = eddy::process;
using eddy::result;
using eddy::task;
using eddy::try_;

void print(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
}

template <class Listener>
task<result<void>> answer(net::inherited_listener from) {
    auto listener = co_await try_(std::move(from).into<Listener>());
    auto accepted = co_await try_(listener.accept());
    co_await try_(eddy::io::write_all(accepted.stream, std::string_view("served")));
    co_return eddy::ok();
}

/// Prints what it has inherited, and answers one client.
task<result<void>> serve() {
    auto inherited = net::inherited_listeners();
    if (!inherited) print("error: " + inherited.error().message());
    std::vector<net::inherited_listener> sockets;
    if (inherited) sockets = *std::move(inherited);
    std::string names = "sockets:";
    for (const auto& one : sockets) names += ' ' + std::string(one.name());
    print(names);
    const auto bytes = co_await try_(process::inherited_bytes());
    print("bytes: " + bytes);
    co_await eddy::time::sleep(std::chrono::milliseconds(1));  // the event loop has its descriptors
    if (sockets.empty()) co_return eddy::ok();
    if (sockets.front().name() == "web") co_return co_await answer<net::tcp_listener>(std::move(sockets.front()));
    co_return co_await answer<net::unix_listener>(std::move(sockets.front()));
}

/// Takes the sockets, and executes itself.
task<result<void>> begin_again(std::string how) {
    const auto variables = how == "removes" ? net::listen_variables::remove : net::listen_variables::keep;
    const auto inherited = co_await try_(net::inherited_listeners(variables));
    for (const auto& one : inherited) {
        if (how == "passes") ::fcntl(one.native_handle(), F_SETFD, 0);
    }
    print("again with " + std::to_string(inherited.size()));
    ::execl("/proc/self/exe", "again", "serve", nullptr);
    co_return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
}

/// Starts a successor that waits for the end of this process, and does not end by itself.
task<result<void>> start_orphan() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto addr = co_await try_(listener.local_addr());
    print(addr.to_string());
    auto orphan = process::command("/proc/self/exe", "orphan").env("ENDS", std::to_string(::getpid()));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) co_return std::unexpected(std::make_error_code(std::errc::io_error));
    orphan.in(process::stdio::from_native(ends[0]));  // ends with this process
    auto options = process::hand_over_options().listener("web", listener).bytes("secret");
    co_await try_(process::hand_over(std::move(orphan), std::move(options)));
    co_return eddy::ok();
}

task<result<void>> serve_as_orphan() {
    const int predecessor = std::atoi(std::getenv("ENDS"));  // NOLINT(concurrency-mt-unsafe)
    print("started");
    std::array<char, 1> none{};
    while (::read(0, none.data(), none.size()) > 0) continue;
    while (::getppid() == predecessor) ::usleep(1000);  // its pipes are closed a moment before
    co_return co_await serve();
}

/// Waits for a process without reading what it writes, or without ending its input.
task<result<void>> wait_for_child(std::string how) {
    using process::stdio;
    const auto writes = [](int fd) {
        return process::command("python3", "-c", "import os; os.write(" + std::to_string(fd) + ", bytes(1000000))")
            .in(stdio::null());
    };
    auto command = process::command("sleep", "2.5").out(stdio::pipe()).in(stdio::null());  // how == "alive"
    if (how == "out") command = writes(1).out(stdio::pipe());
    if (how == "error") command = writes(2).error(stdio::pipe());
    if (how == "both") command = writes(2).out(stdio::pipe()).error(stdio::same_as_out());
    if (how == "inherited") command = writes(1);  // which the reader of this program's output reads some time
    if (how == "in") command = process::command("cat").in(stdio::pipe()).out(stdio::null());
    auto child = co_await try_(command.spawn());
    print(std::to_string(child.id()));
    // Another one, for which nothing waits, goes on by itself.
    std::optional<process::child> other;
    if (how == "alive") other = co_await try_(process::command("cat").in(stdio::pipe()).spawn());
    const auto status = co_await try_(child.wait());
    co_await try_(status.check());
    co_return eddy::ok();
}

/// Prints the number of a process that it has started, and waits for ever.
task<result<void>> start_guarded(std::string how) {
    process::command command("sleep", "100");
    if (how == "signal") command.signal_on_parent_end();
    auto child = co_await try_(command.out(process::stdio::null()).spawn());
    print(std::to_string(child.id()));
    std::move(child).detach();
    co_await eddy::time::sleep(std::chrono::hours(1));
    co_return eddy::ok();
}

/// Begins raw mode, and ends in several ways. Waits for SIGCONT or SIGTERM first.
task<result<void>> end_in_raw_mode(std::string how) {
    namespace signal = eddy::signal;
    auto goes_on = co_await try_(signal::stream(signal::kind::from_number(SIGCONT)));
    std::optional<signal::signal_stream> terminate;
    if (how == "handled") terminate = co_await try_(signal::stream(signal::kind::terminate()));
    auto raw = std::optional(co_await try_(process::raw_mode::begin()));
    if (how == "handles") terminate = co_await try_(signal::stream(signal::kind::terminate()));
    if (how == "again") {
        raw.reset();
        raw = co_await try_(process::raw_mode::begin());
    }
    print("raw");
    if (terminate) {
        static_cast<void>(co_await terminate->next());
        raw.reset();   // would fail if the settings were restored before
        std::exit(4);  // NOLINT(concurrency-mt-unsafe)
    }
    static_cast<void>(co_await goes_on.next());
    if (how == "exit") std::exit(3);  // NOLINT(concurrency-mt-unsafe)
    if (how == "abort") std::abort();
    if (how == "throw") std::terminate();
    if (how == "fault") {
        volatile int* const nothing = nullptr;
        *nothing = 1;  // NOLINT(clang-analyzer-core.NullDereference)
    }
    if (how == "forks") {
        if (::fork() == 0) std::exit(0);  // NOLINT(concurrency-mt-unsafe)
        ::usleep(100'000);
        termios now{};
        if (::tcgetattr(0, &now) != 0 || (now.c_lflag & ICANON) != 0) std::abort();
    }
    co_return eddy::ok();
}

task<result<void>> run(std::vector<std::string> arguments) {
    const auto& what = arguments.at(1);
    if (what == "predecessor") co_return co_await start_orphan();
    if (what == "orphan") co_return co_await serve_as_orphan();
    if (what == "guard") co_return co_await start_guarded(arguments.at(2));
    if (what == "raw") co_return co_await end_in_raw_mode(arguments.at(2));
    if (what == "wait") co_return co_await wait_for_child(arguments.at(2));
    if (what == "again") co_return co_await begin_again(arguments.at(2));
    co_return co_await serve();
}

}  // namespace

int main(int count, char** arguments) {
    auto loop = eddy::core::builder()
                    .report_deadlocks(true)
                    .build()
                    .value();  // its descriptors are open before the first look at those that were inherited
    const auto ended = loop.run(run({arguments, arguments + count}));
    if (!ended) print("failed: " + ended.error().message());
    return ended ? 0 : 1;
}
