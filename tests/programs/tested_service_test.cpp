// SPDX-License-Identifier: MIT
// A service and its tests, as an example of runtime/docs/testing.md: the peer is a script, and the clock is paused.
// covers: I20.6.7
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace io = eddy::io;
namespace time = eddy::time;
using eddy::result;
using eddy::task;
using eddy::try_;

// ---- The service ----

/// Answers each line, the name of a product, with its price. Prices come from a slow source and are kept for a minute.
class price_service {
public:
    using source = std::function<task<result<std::string>>(std::string)>;

    explicit price_service(source ask) : ask_(std::move(ask)) {}

    /// Serves one client over any kind of connection. A client that sends nothing for 30 s is disconnected.
    template <class Stream>
    task<result<void>> talk(Stream& client) {
        auto limited = io::idle_timeout(std::ref(client), 30s);
        io::buf_reader from(std::ref(limited));
        auto lines = io::lines(std::move(from), 100);
        while (auto name = co_await try_(lines.try_next())) {
            const std::string price = co_await try_(price_of(*name));
            co_await try_(io::write_all(limited, price + "\n"));
        }
        co_return eddy::ok();
    }

private:
    /// Returns the price of a product. The source gets three attempts of one second each.
    task<result<std::string>> price_of(const std::string& name) {
        const auto known = prices_.find(name);
        if (known != prices_.end() && time::clock::now() < known->second.second) co_return known->second.first;
        const auto attempt = [&] { return time::try_timeout(1s, ask_(name)); };
        auto price = co_await try_(eddy::retry(time::backoff(100ms).max_retries(2), attempt));
        prices_[name] = {price, time::clock::now() + 1min};
        co_return price;
    }

    source ask_;
    std::map<std::string, std::pair<std::string, time::time_point>, std::less<>> prices_;
};

// ---- Its tests ----

/// Counts its calls, and answers with their number.
struct counting_source {
    int calls = 0;

    task<result<std::string>> operator()(std::string) { co_return std::to_string(++calls); }
};

TEST(TestedService, PriceIsKeptForAMinute) {
    counting_source prices;
    price_service service(std::ref(prices));
    auto peer = eddy::test::io_builder()
                    .read("tea\n")
                    .write("1\n")
                    .wait(20s)
                    .read("tea\n")
                    .write("1\n")
                    .wait(20s)
                    .read("milk\n")
                    .write("2\n")
                    .wait(25s)
                    .read("tea\n")
                    .write("3\n")
                    .build();
    eddy::test::run_paused([&]() -> task<void> {
        const auto ended = co_await service.talk(peer);
        EXPECT_TRUE(ended.has_value());
    });
    peer.assert_done();
}

TEST(TestedService, SilentClientIsDisconnected) {
    counting_source prices;
    price_service service(std::ref(prices));
    auto peer = eddy::test::io_builder().read("tea\n").write("1\n").wait(31s).read("tea\n").build();
    eddy::test::run_paused([&]() -> task<void> {
        const auto ended = co_await service.talk(peer);
        EXPECT_EQ(ended.error(), eddy::errc::timed_out);
    });
    EXPECT_EQ(prices.calls, 1);
}

TEST(TestedService, SlowSourceIsAskedThreeTimes) {
    int calls = 0;
    price_service service([&](std::string) -> task<result<std::string>> {
        ++calls;
        co_await time::sleep(calls < 3 ? 1h : 10ms);
        co_return "7";
    });
    auto peer = eddy::test::io_builder().read("tea\n").write("7\n").build();
    eddy::test::run_paused([&]() -> task<void> {
        const auto ended = co_await service.talk(peer);
        EXPECT_TRUE(ended.has_value());
    });
    peer.assert_done();
    EXPECT_EQ(calls, 3);
}

}  // namespace
