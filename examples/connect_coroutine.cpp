// SPDX-License-Identifier: MIT
// Connecting, with a coroutine: try_ returns the value of a step, or ends the coroutine with the step's error.
//     $ nc -l 127.0.0.1 6142        and, in another terminal,
//     $ ./connect_coroutine         created stream
// Without nc it prints `Error: connect to localhost:6142: ...: Connection refused` and returns 1. The argument is an
// address or a host name:
// ./connect_coroutine example.com:80
#include <eddy/prelude.hpp>

#include <cstdio>

// docs: async_main
eddy::task<eddy::any_result<void>> async_main(const char* addr) {
    // Names are resolved on another thread. Their addresses compete; if all fail, the last error is returned.
    auto stream = co_await eddy::try_(eddy::net::tcp_stream::connect(addr));
    std::puts("created stream");
    co_return {};
}
// docs: end

int main(int argc, char** argv) { return eddy::run(async_main(argc > 1 ? argv[1] : "localhost:6142")); }
