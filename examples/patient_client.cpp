// SPDX-License-Identifier: MIT
// A client that repeats a failed log-in, limits each step, and handles several kinds of events in one loop.
//     $ ./patient_client
//     attempt failed: unexpected end of file
//     attempt failed: unexpected end of file
//     logged in
//     server: done: tea
//     server: done: milk
//     no more orders
#include <eddy/prelude.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
namespace net = eddy::net;
namespace time = eddy::time;
using eddy::flow;
using eddy::on;
using eddy::result;
using eddy::task;
using eddy::try_;
using orders = eddy::sync::mpsc<std::string>;

// ---- A server that is not ready at once ----

task<result<void>> answer(net::tcp_stream client) {
    co_await try_(client.write_all("welcome\n"));
    eddy::io::buf_reader from(std::ref(client));
    auto lines = eddy::io::lines(std::move(from), 100);
    while (auto line = co_await try_(lines.try_next())) co_await try_(client.write_all("done: " + *line + "\n"));
    co_return eddy::ok();
}

task<result<void>> serve(net::tcp_listener listener) {
    // The first two clients are disconnected without a welcome.
    for (int i = 0; i < 2; ++i) eddy::drop(co_await try_(listener.accept()));
    auto client = co_await try_(listener.accept());
    co_return co_await answer(std::move(client.stream));
}

// ---- The client ----

task<result<net::tcp_stream>> log_in(net::socket_addr server) {
    auto stream = co_await try_(net::tcp_stream::connect(server));
    std::array<char, 8> welcome;
    co_await try_(stream.read_exact(welcome));
    co_return stream;
}

task<void> give_orders(orders::sender to) {
    for (const std::string_view what : {"tea", "milk"}) {
        auto sent = co_await to.send(std::string(what));
        if (!sent) co_return;
    }
    // The sender is destroyed here, which ends the channel.
}

task<result<void>> run_client(net::socket_addr server) {
    // An attempt takes at most a second. After a failure there is a random delay, which doubles up to the maximum.
    auto connecting = eddy::retry(
        time::backoff(1ms).max_delay(1s).max_retries(5), [=] { return time::try_timeout(1s, log_in(server)); },
        [](const std::error_code& error) {
            std::printf("attempt failed: %s\n",
                        error == eddy::errc::unexpected_eof ? "unexpected end of file" : "other");
            return error != std::errc::permission_denied;  // which a later attempt would return, too
        });
    auto stream = co_await try_(connecting);
    std::puts("logged in");

    auto [sender, receiver] = orders::channel(4);
    eddy::spawn(give_orders(std::move(sender)));

    const auto send_order = [&](std::optional<std::string> order) -> task<result<flow>> {
        if (!order) {
            std::puts("no more orders");
            co_return flow::stop;
        }
        co_await try_(stream.write_all(*order + "\n"));
        std::string reply("done: \n");
        reply.resize(reply.size() + order->size());
        co_await try_(time::try_timeout(1s, stream.read_exact(reply)));
        std::printf("server: %s", reply.c_str());
        co_return flow::next;
    };
    auto events = eddy::select_loop(on([&] { return receiver.recv(); }, send_order),  // in each round
                                    on([] { return time::sleep(1min); }, [] { std::puts("idle"); }),
                                    eddy::until(eddy::signal::ctrl_c()));  // ends the loop
    co_return co_await events;
}

task<result<void>> run_both() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await try_(listener.local_addr());
    co_await try_(eddy::try_join(serve(std::move(listener)), run_client(address)));
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(run_both()); }
