// SPDX-License-Identifier: MIT
// HTTP/1.1 services that receive the request's body in one task while another task sends the response.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/http_server.hpp"

namespace {

using eddy::result;
using eddy::task;
using support::receive_all;
using namespace std::chrono_literals;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
using counts = eddy::sync::mpsc<http::event>;

constexpr std::size_t pieces = 200;
constexpr std::size_t piece_size = 1000;

/// Reads a body to its end, and sends an event for each read. Without `to`, only reads.
task<void> read_upload(http::body body, std::optional<counts::sender> to) {
    std::array<std::byte, 1000> some{};
    for (;;) {
        const auto count = co_await io::read(body, some);
        if (!count || *count == 0) co_return;
        if (!to) continue;
        const auto sent = co_await to->send(http::event(std::to_string(*count)));
        if (!sent) co_return;
    }
}

/// A response body of single bytes, with a wait before each.
class slow_letters {
public:
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        waits_ = !waits_;
        if (waits_) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        if (left_ == 0) return result<std::size_t>(0U);
        --left_;
        into[0] = std::byte{'z'};
        return result<std::size_t>(1U);
    }

private:
    std::size_t left_ = 300;
    bool waits_ = false;
};

task<void> send_upload(net::tcp_stream& to) {
    const std::string head =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " + std::to_string(pieces * piece_size) +
        "\r\n\r\n";
    (co_await to.write_all(head)).value();
    for (std::size_t i = 0; i < pieces; ++i) {
        const auto sent = co_await to.write_all(std::string(piece_size, 'u'));
        if (!sent) co_return;  // the server has answered, and does not need the rest
        if (i % 7 == 0) co_await eddy::yield_now();
    }
}

/// Sends uploads, and receives the response to each at the same time. Returns the responses.
task<std::vector<std::string>> upload_often(net::socket_addr at) {
    std::vector<std::string> responses;
    for (int i = 0; i < 5; ++i) {
        auto client = (co_await net::tcp_stream::connect(at)).value();
        auto both = eddy::join(receive_all(client), send_upload(client));
        auto [response, sent] = co_await both;
        responses.push_back(std::move(response));
    }
    co_return std::move(responses);
}

/// Serves `app` in `run`, which runs a task on an event loop or on workers, while a client uploads. All responses must
/// be complete.
template <class Run>
void expect_complete_responses(Run run, const http::service& app) {
    std::vector<std::string> responses;
    auto script = [&](net::socket_addr at, const auto&) -> task<void> {
        auto uploading = eddy::time::timeout(20s, upload_often(at));
        auto ended = co_await uploading;
        if (ended) responses = *std::move(ended);
    };
    run(support::serve_http_during(app, http::serve_options(), script));
    EXPECT_EQ(responses.size(), 5U);
    for (const std::string& response : responses) EXPECT_TRUE(response.ends_with("0\r\n\r\n")) << response;
}

task<http::response> answer_with_events(http::request asked) {
    auto [sender, receiver] = counts::channel(4);
    eddy::spawn(read_upload(std::move(asked.body), std::move(sender))).detach();
    co_return http::event_stream(std::move(receiver), 15s);
}

task<http::response> answer_with_letters(http::request asked) {
    eddy::spawn(read_upload(std::move(asked.body), std::nullopt)).detach();
    http::response answer;
    answer.body = http::body::from_reader(slow_letters());
    co_return std::move(answer);
}

constexpr auto on_loop = [](auto work) {
    eddy::core loop;
    loop.run(std::move(work));
};
constexpr auto on_workers = [](auto work) {
    auto workers = eddy::runtime::builder().worker_threads(4).build().value();
    workers.block_on(std::move(work));
};

TEST(HttpDuplex, EventsReportUploadOnEventLoop) { expect_complete_responses(on_loop, answer_with_events); }

TEST(HttpDuplex, EventsReportUploadOnWorkers) { expect_complete_responses(on_workers, answer_with_events); }

TEST(HttpDuplex, UploadIsReadDuringStreamedResponseOnWorkers) {
    expect_complete_responses(on_workers, answer_with_letters);
}

// The cleanup of the service waits for the task that reads the upload.
TEST(HttpDuplex, CancelledServiceNeedNotWaitForTheUpload) {
    std::error_code failure;
    const auto read = [&](http::body upload) -> task<void> {
        const auto text = co_await upload.read_text();
        if (!text) failure = text.error();
    };
    eddy::sync::notify begun;
    const auto app = [&](http::request asked) -> task<http::response> {
        auto reading = eddy::spawn(read(std::move(asked.body)));
        co_await eddy::yield_now();  // the other task waits for the body
        begun.notify_one();
        const auto clean_up = [&]() -> task<void> { EXPECT_TRUE((co_await reading).has_value()); };
        auto working = eddy::finally(eddy::pending<void>(), clean_up);
        co_await working;
        co_return http::response();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        EXPECT_TRUE(co_await io::write_all(near, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi"));
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        co_await begun.notified();
        serving.abort();
        const auto ended = co_await eddy::time::timeout(1min, std::move(serving));
        EXPECT_TRUE(ended.has_value());
    });
    EXPECT_EQ(failure, http::errc::body_detached);
}

}  // namespace
