// SPDX-License-Identifier: MIT
// Tutorial, chapter 2: many clients at the same time, which share a map.
//     $ ./tutorial_2_share 127.0.0.1:6379        and, in other terminals,
//     $ nc 127.0.0.1 6379                        then type SET tea hot, and GET tea
#include <eddy/prelude.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;

// docs: store
/// The data of all clients. No function waits while it holds the lock, so a std::mutex is enough.
class store {
public:
    void set(const std::string& key, std::string value) {
        const std::scoped_lock lock(mutex_);
        entries_[key] = std::move(value);
    }
    std::optional<std::string> get(const std::string& key) const {
        const std::scoped_lock lock(mutex_);
        const auto found = entries_.find(key);
        if (found == entries_.end()) return std::nullopt;
        return found->second;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::string> entries_;
};
// docs: end

// docs: answer
std::string answer(store& data, const std::string& line) {
    std::istringstream words(line);
    std::string command, key, value;
    words >> command >> key >> value;
    if (command == "PING") return "+PONG";
    if (command == "GET" && !key.empty()) return "+" + data.get(key).value_or("(nothing)");
    if (command == "SET" && !value.empty()) {
        data.set(key, value);
        return "+OK";
    }
    return "-ERR unknown command";
}
// docs: end

// docs: talk
task<void> talk(eddy::net::tcp_stream client, std::shared_ptr<store> data) {
    eddy::codec::framed lines(std::move(client), eddy::codec::lines_codec(1024));
    for (;;) {
        auto line = co_await lines.try_next();
        if (!line || !*line) co_return;  // an error, or the end
        auto sent = co_await lines.send(answer(*data, **line));
        if (!sent) co_return;
    }
}

task<result<void>> serve(std::string where) {
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    const auto data = std::make_shared<store>();
    for (;;) {
        auto client = co_await try_(listener.accept());
        eddy::spawn(talk(std::move(client.stream), data));  // runs concurrently with this loop
    }
}
// docs: end

}  // namespace

int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:6379")); }
