// SPDX-License-Identifier: MIT
// Connecting, with combinators: a future is created, extended by and_then and map_err, and then run.
//     $ nc -l 127.0.0.1 9243        and, in another terminal,
//     $ ./connect_combinators       successfully connected
// Without nc it prints: failed to connect; err=Connection refused
#include <eddy/prelude.hpp>

#include <cstdio>

int main() {
    auto addr = eddy::net::socket_addr::parse("127.0.0.1:9243").value();
    auto connect_future = eddy::net::tcp_stream::connect(addr);  // lazy: no connection attempt yet
    auto task =
        std::move(connect_future)
            .and_then([](eddy::net::tcp_stream) {
                std::puts("successfully connected");
                return eddy::ok();
            })
            .map_err([](std::error_code e) { std::printf("failed to connect; err=%s\n", e.message().c_str()); });
    eddy::run(std::move(task));
}
