// SPDX-License-Identifier: MIT
// WebSockets of eddy::ws on several threads.
// covers: P145
// runs: tsan
#include <eddy/http.hpp>
#include <eddy/ws.hpp>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::sync::cancellation_token;
namespace http = eddy::http;
namespace net = eddy::net;
namespace ws = eddy::ws;

task<result<void>> echo(ws::connection socket) {
    for (;;) {
        auto message = co_await try_(socket.receive());
        co_await try_(socket.send(std::move(message)));
    }
}

http::router echo_service() {
    http::router app;
    app.get("/echo", ws::service(echo));
    return app;
}

TEST(WsServe, ThreadsSendAndReceiveAtTheSameTime) {
    auto pool = eddy::runtime::builder().worker_threads(2).build().value();
    const auto work = [&]() -> task<int> {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const auto to = listener.local_addr().value().to_string();
        const cancellation_token end;
        auto serving =
            eddy::spawn(http::serve(std::move(listener), echo_service(), http::serve_options().shutdown(end)));
        auto socket = co_await ws::connect("ws://" + to + "/echo");
        auto halves = std::move(*socket).split();
        constexpr int count = 500;
        const auto send = [](ws::sender sender) -> task<ws::sender> {
            for (int i = 0; i < count; ++i) {
                const auto sent = co_await sender.send(std::to_string(i) + std::string(1000, 'x'));
                if (!sent) break;
            }
            co_return std::move(sender);
        };
        auto sending = eddy::spawn(send(std::move(halves.sender)));
        int received = 0;
        for (; received < count; ++received) {
            const auto got = co_await halves.receiver.receive();
            if (!got || !got->text().starts_with(std::to_string(received))) break;
        }
        auto sender = co_await std::move(sending);
        static_cast<void>(co_await sender->close());
        end.cancel();
        static_cast<void>(co_await std::move(serving));
        co_return received;
    };
    EXPECT_EQ(pool.block_on(work()), 500);
}

}  // namespace
