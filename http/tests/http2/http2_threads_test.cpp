// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http on several threads.
// runs: tsan
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "support/http/http2_client.hpp"
#include "support/stress.hpp"
#include "support/yields.hpp"

namespace {

using eddy::task;
using support::http2_client;
namespace http = eddy::http;
namespace io = eddy::io;

const http2_client::fields no_fields;

TEST(Http2ServerStress, BodiesAreReadOnOtherThreads) {
    const auto connections = std::max<std::uint64_t>(4, support::rounds(400));
    eddy::runtime pool(eddy::runtime::builder().worker_threads(2).build().value());
    const auto answered = pool.block_on([&]() -> task<int> {
        const auto read = [](http::body from) -> task<std::size_t> {
            const auto text = co_await from.read_text();
            co_return text ? text->size() : 0;
        };
        const http::service app([read](http::request asked) -> task<http::response> {
            const auto size = co_await eddy::spawn(read(std::move(asked.body)));
            co_return http::response(http::status::ok, std::to_string(size.value()));
        });
        const auto talk = [](io::duplex_stream near) -> task<int> {
            http2_client one(std::move(near));
            std::vector<std::int32_t> ids;
            for (int i = 0; i < 5; ++i) ids.push_back(one.ask("POST", "/", no_fields, std::string(300'000, 'x')));
            const auto cancelled = one.ask("POST", "/", no_fields, std::string(1000, 'x'), true);
            co_await one.flush();
            one.reset(cancelled);
            int count = 0;
            for (const auto id : ids) {
                const auto got = co_await one.finish(id);
                if (got.body == "300000") ++count;
            }
            co_await one.close();
            co_return count;
        };
        int sum = 0;
        for (std::uint64_t i = 0; i < connections; ++i) {
            auto [near, far] = io::duplex(10'000);
            auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
            sum += (co_await eddy::spawn(talk(std::move(near)))).value();
            const auto served = co_await std::move(serving);
            EXPECT_TRUE(served.has_value() && served->has_value());
        }
        co_return sum;
    }());
    EXPECT_EQ(answered, static_cast<int>(5 * connections));
}

/// A reader that gives "begin", some bytes and "end" in small parts, and often waits.
class slow_parts {
public:
    explicit slow_parts(std::size_t parts) : left_(parts) {}
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (has_ended_) return eddy::ok(std::size_t{0});
        if (std::exchange(waits_, !waits_)) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        std::string_view part = "middle";
        if (std::exchange(is_first_, false)) {
            part = "begin";
        } else if (left_-- == 0) {
            has_ended_ = true;
            part = "end";
        }
        std::ranges::copy(std::as_bytes(std::span(part)), into.begin());
        return eddy::ok(part.size());
    }

private:
    std::size_t left_;
    bool waits_ = true;
    bool is_first_ = true;
    bool has_ended_ = false;
};

std::string whole(std::size_t parts) {
    std::string text = "begin";
    for (; parts != 0; --parts) text += "middle";
    return text + "end";
}

/// Sends a streamed request, and drops it after some time if `drops`. Returns whether the response was right, or the
/// request was dropped.
task<bool> post_or_drop(http::client web, std::string url, std::size_t parts, bool drops) {
    const auto post = [](const http::client& by, std::string to, std::size_t count) -> task<bool> {
        http::request made(http::method::post, "");
        made.body = http::body::from_reader(slow_parts(count));
        auto got = co_await by.send(std::move(to), std::move(made));
        if (!got) co_return false;
        const auto text = co_await got->body.read_text();
        co_return text && *text == whole(count);
    };
    auto first = eddy::select_biased(post(web, std::move(url), parts), support::yields(drops ? 3 * parts : 1'000'000));
    const auto ended = co_await std::move(first);
    co_return ended.index() == 1 ? drops : std::get<0>(ended);
}

TEST(Http2ClientStress, StreamedRequestsArriveWholeWhileOthersAreDropped) {
    const auto rounds = std::max<std::uint64_t>(20, support::rounds(5000));
    std::atomic<int> broken = 0;  // bodies that were complete for the server, and wrong
    const http::service app([&](http::request asked) -> task<http::response> {
        if (asked.method == http::method::get) co_return http::response(http::status::ok);
        auto text = co_await asked.body.read_text();
        if (!text) co_return http::response(http::status::bad_request);
        if (!text->starts_with("begin") || !text->ends_with("end")) ++broken;
        co_return http::response(http::status::ok, *std::move(text));
    });
    eddy::runtime pool(eddy::runtime::builder().worker_threads(3).build().value());
    pool.block_on([&]() -> task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const eddy::sync::cancellation_token end;
        const auto options = http::serve_options().shutdown(end).max_streams(3).on_error([](const auto&) {});
        auto server = eddy::spawn(http::serve(std::move(listener), app, options));
        const http::client web(http::client_options().prior_knowledge(true));
        EXPECT_TRUE((co_await web.get(url)).has_value());  // the settings have arrived, so that no stream is refused
        for (std::uint64_t round = 0; round < rounds; ++round) {
            eddy::join_set<bool> posts;
            for (std::size_t i = 0; i < 9; ++i) posts.spawn(post_or_drop(web, url, 1 + (round + i) % 7, i % 3 == 0));
            while (auto one = co_await posts.join_next()) EXPECT_TRUE(one->value()) << "round " << round;
        }
        end.cancel();
        static_cast<void>(co_await std::move(server));
    }());
    EXPECT_EQ(broken.load(), 0);
}

}  // namespace
