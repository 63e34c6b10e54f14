// SPDX-License-Identifier: MIT
// mini_redis_cli: sends one command to mini_redis or Redis, and prints the reply.
//     $ ./mini_redis_cli SET greeting hello         OK
//     $ ./mini_redis_cli GET greeting               "hello"
//     $ ./mini_redis_cli SUBSCRIBE news             each message, until Ctrl-C
// The exit code is 0, or 1 if the reply is an error or there is no reply.
#include <eddy/prelude.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "client.hpp"
#include "command.hpp"

namespace {

using mini_redis::client;
using mini_redis::reply;

std::string in_quotes(std::string_view text) {
    std::string shown = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            shown += fmt::format("\\{}", c);
        } else {
            shown += byte >= ' ' && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
        }
    }
    return shown + "\"";
}

/// Formats a reply like redis-cli. `margin` is the indentation of an array's items, except the first one.
std::string shown(const reply& what, const std::string& margin = "");

class showing {
public:
    explicit showing(const std::string& margin) : margin_(&margin) {}

    std::string operator()(reply::nil) const { return "(nil)\n"; }
    std::string operator()(const reply::status& is) const { return is.text + "\n"; }
    std::string operator()(const reply::error& is) const { return "(error) " + is.text + "\n"; }
    std::string operator()(std::int64_t number) const { return fmt::format("(integer) {}\n", number); }
    std::string operator()(const std::string& bulk) const { return in_quotes(bulk) + "\n"; }
    std::string operator()(const reply::array& items) const {
        if (items.empty()) return "(empty array)\n";
        std::string all;
        for (std::size_t i = 0; i < items.size(); ++i) {
            const std::string number = fmt::format("{}) ", i + 1);
            all += (i == 0 ? "" : *margin_) + number + shown(items[i], *margin_ + std::string(number.size(), ' '));
        }
        return all;
    }

private:
    const std::string* margin_;
};

std::string shown(const reply& what, const std::string& margin) { return what.visit(showing(margin)); }

eddy::task<eddy::result<void>> listen(client redis, std::vector<std::string> channels) {
    auto messages = co_await eddy::try_(std::move(redis).subscribe(std::move(channels)));
    for (;;) {
        const auto next = co_await eddy::try_(messages.next());
        std::fputs(fmt::format("{}: {}\n", next.channel, in_quotes(next.text)).c_str(), stdout);
        std::fflush(stdout);
    }
}

/// Sends the command and prints the reply. Returns false if the reply is an error.
eddy::task<eddy::result<bool>> ask(std::string where, std::vector<std::string> words) {
    auto redis = co_await eddy::try_(client::connect(where));
    if (mini_redis::is_word(words.front(), "subscribe") && words.size() > 1) {
        words.erase(words.begin());
        co_await eddy::try_(listen(std::move(redis), std::move(words)));
    }
    const std::vector<std::string_view> request(words.begin(), words.end());
    const auto answer = co_await eddy::try_(redis.call(request));
    std::fputs(shown(answer).c_str(), stdout);
    co_return answer.get_if<reply::error>() == nullptr;
}

}  // namespace

int main(int argc, char** argv) {
    std::string where = "127.0.0.1:6379";
    std::vector<std::string> words;
    CLI::App app("Sends one command to a server that speaks RESP2.");
    app.add_option("--server", where, "the address of the server")->capture_default_str();
    app.add_option("words", words, "the command and its arguments")->required();
    app.positionals_at_end();
    CLI11_PARSE(app, argc, argv);

    eddy::core loop;
    const auto succeeded = loop.run(ask(where, words));
    if (succeeded) return *succeeded ? 0 : 1;
    std::fprintf(stderr, "mini_redis_cli: %s: %s\n", where.c_str(), succeeded.error().message().c_str());
    return 1;
}
