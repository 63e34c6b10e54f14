// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http on several threads. The client is nghttp2.
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/http2_client.hpp"
#include "support/stress.hpp"

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

}  // namespace
