// SPDX-License-Identifier: MIT
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "modes.hpp"

namespace bench {

void idle(const load_options& wanted, clients& all) {
    all.open_all(wanted.connections);
    all.look([](unsigned) {});  // consumes remaining events of the connecting phase
    std::puts("ready");
    std::fflush(stdout);

    std::array<pollfd, 2> either{{{STDIN_FILENO, POLLIN, 0}, {all.epoll(), POLLIN, 0}}};
    const auto until = now() + from_seconds(wanted.idle);
    for (auto time = now(); time < until && either[0].revents == 0; time = now()) {
        const auto left_ms = (until - time) / 1'000'000 + 1;
        if (::poll(either.data(), either.size(), static_cast<int>(left_ms)) < 0 && errno != EINTR) throw_errno("poll");
        if (either[1].revents != 0) throw failure("an idle connection was closed, or received something");
    }
}

}  // namespace bench
