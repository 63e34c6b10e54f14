// SPDX-License-Identifier: MIT
// An HTTP service by hand: notes that clients store and read, over connections that stay open between requests.
//     $ ./http_by_hand 127.0.0.1:8080
//     $ curl -X PUT -d 'buy tea' http://127.0.0.1:8080/notes/monday
//     $ curl http://127.0.0.1:8080/notes/monday
//     buy tea
#include <eddy/prelude.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace io = eddy::io;
namespace net = eddy::net;
namespace time = eddy::time;
using eddy::result;
using eddy::task;
using eddy::try_;
using reader = io::buf_reader<io::borrowed<net::tcp_stream>>;

using head = std::vector<std::string>;  // the lines of a request before its body, in lower case

/// Returns the next head, which is empty at the end of the connection.
task<result<head>> read_head(reader& from) {
    for (head lines;;) {
        std::string line;
        co_await try_(io::read_line(from, line, 8 << 10));
        while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
        if (line.empty()) co_return lines;
        std::ranges::transform(line, line.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        lines.push_back(std::move(line));
    }
}

std::size_t body_size(const head& lines) {
    std::size_t size = 0;
    constexpr std::string_view name = "content-length: ";
    for (const auto& line : lines) {
        if (line.starts_with(name)) std::from_chars(line.data() + name.size(), line.data() + line.size(), size);
    }
    return size;
}

std::string reply(std::string_view status, std::string_view body = {}) {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

using notes = std::map<std::string, std::string>;

/// Answers a request: its first line is "put /notes/monday http/1.1".
std::string answer(notes& all, std::string_view line, std::string body) {
    const std::size_t begin = line.find(' ') + 1;
    const std::string path(line.substr(begin, line.find(' ', begin) - begin));
    if (path.starts_with("/notes/") && line.starts_with("put ")) {
        all[path] = std::move(body);
        return reply("204 No Content");
    }
    const auto found = all.find(path);
    return found == all.end() ? reply("404 Not Found") : reply("200 OK", found->second);
}

/// Serves one connection. Between two requests the server may close it: when the server ends, or after a minute.
task<result<void>> talk(notes& all, net::tcp_stream client, net::serve_connection connection) {
    {
        reader from(std::ref(client));
        for (;;) {
            // docs: idle
            auto idle = connection.idle();  // from here on, serve() may close the connection
            co_await try_(io::fill_buf(from));
            if (!idle.end()) co_return eddy::ok();  // it is being closed: do not begin a request
            // docs: end
            const head asked = co_await try_(time::try_timeout(5s, read_head(from)));
            if (asked.empty()) co_return eddy::ok();
            std::string body;
            if (body_size(asked) > 1 << 20) break;
            body.resize(body_size(asked));
            co_await try_(time::try_timeout(5s, io::read_exact(from, std::span(body))));
            co_await try_(client.write_all(answer(all, asked.front(), std::move(body))));
        }
    }
    co_await try_(client.write_all(reply("413 Content Too Large", "")));
    co_return co_await net::close_gracefully(std::move(client), 5s);  // else the client may lose the reply
}

task<result<void>> run_server(std::string where) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    auto options = net::serve_options().max_connections(1000).idle_timeout(1min).shutdown(end).drain(5s);
    notes all;
    const auto handler = [&](net::tcp_stream client, net::serve_connection connection) {
        return talk(all, std::move(client), std::move(connection));
    };
    co_await try_(net::serve(std::move(listener), handler, std::move(options)));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    const auto ended = core.run(run_server(argc > 1 ? argv[1] : "127.0.0.1:8080"));
    if (ended) return 0;
    std::fprintf(stderr, "http_by_hand: %s\n", ended.error().message().c_str());
    return 1;
}
