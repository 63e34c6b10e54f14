// SPDX-License-Identifier: MIT
// Connecting, in a coroutine: try_ yields what a step gives, or ends the coroutine with the step's error.
//     $ nc -l 127.0.0.1 6142        and, in another terminal,
//     $ ./connect_coroutine         created stream
// Without nc it says `Error: Connection refused`, and its exit code is 1. Another address may be given, by number or by
// name: ./connect_coroutine example.com:80
#include <eddy/prelude.hpp>

#include <cstdio>

eddy::task<eddy::result<void>> async_main(const char* addr) {
    // Names are resolved off the loop; each address is tried in turn; the last error is the one reported.
    auto stream = co_await eddy::try_(eddy::net::tcp_stream::connect(addr));
    std::puts("created stream");
    co_return {};
}

int main(int argc, char** argv) { return eddy::run(async_main(argc > 1 ? argv[1] : "localhost:6142")); }
