// SPDX-License-Identifier: MIT
// A program with eddy::futures alone: no executor, and the coroutines are polled by the thread that waits for them.
#include <eddy/futures.hpp>

#include <cstdio>
#include <string>
#include <thread>
#include <utility>

namespace {

using lines = eddy::sync::mpsc<std::string>;

eddy::task<std::size_t> count_bytes(lines::receiver from) {
    std::size_t all = 0;
    while (auto line = co_await from.recv()) all += line->size();
    co_return all;
}

eddy::task<eddy::result<std::string>> echo() {
    auto [near, far] = eddy::io::duplex(16);
    const auto sending = [](eddy::io::duplex_stream to) -> eddy::task<eddy::result<void>> {
        co_return co_await eddy::io::write_all(to, "twenty-four bytes of text");
    };
    std::string text;
    auto both = eddy::join(sending(std::move(near)), eddy::io::read_to_end(far, text));
    auto [sent, read] = co_await both;
    if (!sent) co_return std::unexpected(sent.error());
    if (!read) co_return std::unexpected(read.error());
    co_return text;
}

}  // namespace

int main() {
    auto [to, from] = lines::channel(2);
    std::thread sender([to = std::move(to)] {
        for (const char* const line : {"one", "two", "three"}) static_cast<void>(to.blocking_send(line));
    });
    const std::size_t bytes = eddy::wait(count_bytes(std::move(from)));
    sender.join();
    const auto text = eddy::wait(echo());
    const bool is_right = bytes == 11 && text && *text == "twenty-four bytes of text";
    if (!is_right) std::fprintf(stderr, "%zu bytes, \"%s\"\n", bytes, text ? text->c_str() : "");
    return is_right ? 0 : 1;
}
