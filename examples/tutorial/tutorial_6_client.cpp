// SPDX-License-Identifier: MIT
// Tutorial, chapter 7: a client, with a retry and time limits.
//     $ ./tutorial_6_client 127.0.0.1:6379 SET tea hot
//     OK
#include <eddy/prelude.hpp>

#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

#include "resp.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace io = eddy::io;

// docs: read_reply
/// Reads one reply: a line, or a line with a length and a text of that length.
template <class Reader>
task<result<std::string>> read_reply(Reader& from) {
    std::string line;
    co_await try_(io::read_line(from, line, 1024));
    if (!line.ends_with("\r\n")) co_return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
    line.resize(line.size() - 2);
    if (line == "$-1") co_return "(nil)";
    if (!line.starts_with('$')) co_return line.substr(1);
    std::size_t length = 0;
    std::from_chars(line.data() + 1, line.data() + line.size(), length);
    if (length > 1U << 20) co_return std::unexpected(make_error_code(std::errc::bad_message));
    std::string text(length + 2, '\0');
    co_await try_(io::read_exact(from, text));
    text.resize(length);
    co_return text;
}
// docs: end

// docs: ask
task<result<void>> ask(std::string where, std::vector<std::string> words) {
    const auto connect = [&] { return eddy::time::try_timeout(1s, eddy::net::tcp_stream::connect(where)); };
    auto stream = co_await try_(eddy::retry(eddy::time::backoff(10ms).max_retries(3), connect));
    co_await try_(stream.write_all(tutorial::array_reply(words)));  // a request is an array, too
    io::buf_reader from(std::ref(stream));
    const auto reply = co_await try_(eddy::time::try_timeout(1s, read_reply(from)));
    std::printf("%s\n", reply.c_str());
    co_return eddy::ok();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: tutorial_6_client ADDRESS COMMAND...\n");
        return 2;
    }
    return eddy::run(ask(argv[1], std::vector<std::string>(argv + 2, argv + argc)));
}
