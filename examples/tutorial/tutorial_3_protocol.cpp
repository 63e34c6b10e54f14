// SPDX-License-Identifier: MIT
// Tutorial, chapter 3: a codec for the protocol of Redis, so that redis-cli can connect.
//     $ ./tutorial_3_protocol 127.0.0.1:6379     and, in another terminal,
//     $ redis-cli -p 6379 SET tea hot            OK
#include <eddy/prelude.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "resp.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using tutorial::request;

struct store {
    std::mutex mutex;
    std::map<std::string, std::string> entries;
};

// docs: answer
std::string answer(store& data, const request& words) {
    if (words.empty()) return tutorial::error_reply("empty request");
    const std::scoped_lock lock(data.mutex);
    if (words[0] == "PING") return tutorial::simple_reply("PONG");
    if (words[0] == "GET" && words.size() == 2) {
        const auto found = data.entries.find(words[1]);
        if (found == data.entries.end()) return tutorial::text_reply(std::nullopt);
        return tutorial::text_reply(found->second);
    }
    if (words[0] == "SET" && words.size() == 3) {
        data.entries[words[1]] = words[2];
        return tutorial::simple_reply("OK");
    }
    return tutorial::error_reply("unknown command");
}
// docs: end

// docs: talk
task<result<void>> talk(eddy::net::tcp_stream client, std::shared_ptr<store> data) {
    eddy::codec::framed requests(std::move(client), tutorial::resp_codec());
    while (auto words = co_await try_(requests.try_next())) co_await try_(requests.send(answer(*data, *words)));
    co_return eddy::ok();
}
// docs: end

task<result<void>> serve(std::string where) {
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    const auto data = std::make_shared<store>();
    for (;;) {
        auto client = co_await try_(listener.accept());
        eddy::spawn(talk(std::move(client.stream), data));  // if it fails, the error is printed
    }
}

}  // namespace

int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:6379")); }
