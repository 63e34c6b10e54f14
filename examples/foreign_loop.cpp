// SPDX-License-Identifier: MIT
// A core inside of another event loop. Here the other loop is poll(2), which also reads lines from standard input. A
// GLib or Qt program does the same: it watches native_handle(), waits no longer than next_deadline(), and calls turn().
//     $ ./foreign_loop
//     type lines; a line is printed in upper case, and a task counts the seconds. Ctrl-D ends the program.
#include <eddy/prelude.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <optional>

namespace {

using namespace std::chrono_literals;

eddy::task<void> count_seconds() {
    for (int seconds = 1;; ++seconds) {
        co_await eddy::time::sleep(1s);
        std::printf("%d s\n", seconds);
        std::fflush(stdout);
    }
}

// The timeout of poll(2): whole milliseconds, rounded up, and -1 for no limit.
int timeout_until(std::optional<std::chrono::steady_clock::time_point> deadline) {
    if (!deadline) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 60'000));
}

}  // namespace

int main() {
    eddy::core core;
    static_cast<void>(core.handle().spawn(count_seconds()));
    // docs: foreign loop
    for (;;) {
        std::array<pollfd, 2> watched{{{core.native_handle(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
        // Call next_deadline() directly before the wait: from then on, wake-ups make the descriptor readable.
        const int timeout = timeout_until(core.next_deadline());
        if (::poll(watched.data(), watched.size(), timeout) < 0) return 1;
        core.turn(0ns);  // runs the tasks that are ready, and does not wait
        // docs: end
        if (watched[1].revents == 0) continue;
        std::array<char, 256> line{};
        const auto n = ::read(STDIN_FILENO, line.data(), line.size());
        if (n <= 0) return 0;
        for (char& c : line) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        std::printf("%.*s", static_cast<int>(n), line.data());
        std::fflush(stdout);
    }
}
