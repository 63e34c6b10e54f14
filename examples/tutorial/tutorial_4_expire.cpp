// SPDX-License-Identifier: MIT
// Tutorial, chapter 4: keys that expire, and a background task that removes them.
//     $ ./tutorial_4_expire 127.0.0.1:6379       and, in another terminal,
//     $ redis-cli -p 6379 SET tea hot EX 10      OK
#include <eddy/prelude.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include "commands.hpp"
#include "resp.hpp"
#include "store.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using tutorial::store;

task<result<void>> talk(eddy::net::tcp_stream client, std::shared_ptr<store> data) {
    eddy::codec::framed requests(std::move(client), tutorial::resp_codec());
    while (auto words = co_await try_(requests.try_next())) {
        co_await try_(requests.send(tutorial::answer(*data, *words)));
    }
    co_return eddy::ok();
}

task<result<void>> serve(std::string where) {
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    // docs: spawn
    const auto data = std::make_shared<store>();
    eddy::spawn_background(store::purge(data));
    // docs: end
    for (;;) {
        auto client = co_await try_(listener.accept());
        eddy::spawn(talk(std::move(client.stream), data));
    }
}

}  // namespace

int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:6379")); }
