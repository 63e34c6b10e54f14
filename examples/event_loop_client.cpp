// SPDX-License-Identifier: MIT
// Three clients of an event loop: a loop for one request, a loop that is kept between requests, and a loop on a thread
// of its own that gets its requests from this one.
//     $ ./event_loop_client http://127.0.0.1:8080/notes          with ./web_server in another terminal
//     one request: 200 OK, 21 bytes
//     a kept loop: 200 OK and 200 OK, over the same connection
//     a loop on its own thread: 200 OK
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>
#include <string>
#include <utility>

namespace {

namespace http = eddy::http;

std::string line_of(http::status status) {
    return std::to_string(http::to_int(status)) + ' ' + std::string(reason_of(status));
}

// docs: context
/// A program that is not asynchronous keeps this object, and calls it like any other function. Between two calls,
/// nothing runs: the connection stays open, but the loop does not look at it.
class web_context {
public:
    http::status status_of(const std::string& url) { return eddy::value_of(core_.run(web_.get(url))).status; }

private:
    eddy::core core_;
    http::client web_;  // keeps the connection for the next request. Its sockets belong to core_
};
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: event_loop_client URL\n", stderr);
        return 2;
    }
    const std::string url = argv[1];

    {
        // docs: one request
        eddy::core core;
        auto answer =
            eddy::value_of(core.run(http::get(url)));  // runs the loop on this thread until the answer is there
        auto text = eddy::value_of(core.run(answer.body.read_text()));
        // docs: end
        std::printf("one request: %s, %zu bytes\n", line_of(answer.status).c_str(), text.size());
    }
    {
        web_context context;
        const auto first = context.status_of(url);
        const auto second = context.status_of(url);
        std::printf("a kept loop: %s and %s, over the same connection\n", line_of(first).c_str(),
                    line_of(second).c_str());
    }

    // docs: shipped
    eddy::core_thread loop;  // a thread with an event loop, for all requests of the program
    auto status = loop.remote().call([url](eddy::core_handle&) -> eddy::task<http::status> {
        auto answer = co_await http::get(url);  // on the loop's thread
        co_return eddy::value_of(std::move(answer)).status;
    });
    // ... this thread does other work here ...
    std::printf("a loop on its own thread: %s\n", line_of(status.get()).c_str());  // waits for the output
    // docs: end
}
