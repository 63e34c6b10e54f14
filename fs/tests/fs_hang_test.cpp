// SPDX-License-Identifier: MIT
// What goes on while system calls of files, or look-ups of names, hang on all threads for blocking work.
// runs: once, asan, faults
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/file_faults.hpp>
#include <support/gate.hpp>
#include <support/limit.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/resolver.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using namespace std::chrono_literals;
using checked = eddy::task<fs::result<void>>;

constexpr std::size_t threads = 3;

eddy::runtime small_runtime() {
    return eddy::runtime::builder().worker_threads(1).max_blocking_threads(threads).build().value();
}

void run(eddy::runtime& on, auto test) {
    const auto done = on.block_on(test());
    EXPECT_TRUE(done) << done.error().message();
}

/// Starts opens that hang, on all threads for blocking work.
eddy::task<std::vector<eddy::join_handle<fs::result<fs::file>>>> hanging_opens(std::string path,
                                                                               const eddy::runtime& on) {
    std::vector<eddy::join_handle<fs::result<fs::file>>> all;
    for (std::size_t i = 0; i < threads; ++i) all.push_back(eddy::spawn(fs::file::open(path)));
    const auto are_busy = [&] {
        const auto now = on.metrics();
        return now.blocking_threads - now.idle_blocking_threads == threads && now.blocking_queue_depth == 0;
    };
    while (!are_busy()) co_await eddy::yield_now();
    co_return all;
}

/// Sends a text to itself.
checked echo(support::connection& pair, std::string_view text) {
    const auto sent = co_await eddy::io::write_all(pair.stream, text);
    EXPECT_TRUE(sent);
    EXPECT_EQ(pair.peer.receive(text.size()), text);
    co_return {};
}

TEST(FsHang, OpensThatHangStopOnlyBlockingWork) {
    const support::temp_dir dir;
    const std::string text(4096, 'x');
    support::set_contents(dir / "a", text);
    auto runs = small_runtime();
    run(runs, [&]() -> checked {
        const support::stub_resolver names({eddy::net::socket_addr(eddy::net::ipv4_addr(127, 0, 0, 1), 80)});
        support::connection pair;
        auto file = co_await eddy::try_(fs::file::open(dir / "a"));
        std::array<char, 64> buffer{};
        auto count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
        const auto before = fs::metrics();
        count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
        const bool tells_what_is_cached = fs::metrics().cached_reads != before.cached_reads;

        support::held_file_call disk("openat");
        auto hanging = co_await hanging_opens(dir / "a", runs);

        // What waits for the threads, without an error.
        auto work = eddy::spawn_blocking([] { return 1; });
        auto is_ready = co_await support::poll_once(work);
        EXPECT_FALSE(is_ready);
        auto about = fs::metadata(dir / "a");
        is_ready = co_await support::poll_once(about);
        EXPECT_FALSE(is_ready);
        EXPECT_EQ(runs.metrics().blocking_queue_depth, 2U);
        // A limit ends the wait, and not the call.
        const auto late = co_await eddy::time::timeout(1ms, fs::read(dir / "a"));
        EXPECT_FALSE(late);

        // What goes on: timers, tasks, sockets, look-ups, and what the page cache has.
        co_await eddy::time::sleep(1ms);
        co_await eddy::try_(echo(pair, "hello"));
        const auto found = co_await eddy::net::lookup_host("name.test", 80);
        EXPECT_TRUE(found);
        if (tells_what_is_cached) {
            count = co_await eddy::try_(file.read_at(std::span(buffer), 0));
            EXPECT_EQ(count, buffer.size());
            const auto sent = co_await eddy::try_(fs::send_file(pair.stream, file, fs::file_range(0, text.size())));
            EXPECT_EQ(sent, text.size());
            EXPECT_EQ(pair.peer.receive(text.size()), text);
        }

        disk.release();
        for (auto& each : hanging) {
            const auto opened = co_await each;
            EXPECT_TRUE(opened.value());
        }
        const auto made = co_await work;
        EXPECT_EQ(made.value(), 1);
        const auto known = co_await eddy::try_(std::move(about));
        EXPECT_EQ(known.size, text.size());
        co_return {};
    });
}

// Each executor has its own threads.
TEST(FsHang, AnotherExecutorHasOtherThreads) {
    const support::temp_dir dir;
    support::set_contents(dir / "a", "text");
    auto runs = small_runtime();
    run(runs, [&]() -> checked {
        support::held_file_call disk("openat");
        auto hanging = co_await hanging_opens(dir / "a", runs);
        auto others = small_runtime();
        auto about = others.spawn(fs::metadata(dir / "a"));
        const auto known = co_await about;
        EXPECT_EQ(known.value().value().size, 4U);
        std::move(others).shutdown_background();
        disk.release();
        for (auto& each : hanging) {
            const auto opened = co_await each;
            EXPECT_TRUE(opened.value());
        }
        co_return {};
    });
}

TEST(FsHang, LookupsThatHangStopOnlyLookups) {
    constexpr std::size_t most_lookups = 64;
    const support::temp_dir dir;
    support::set_contents(dir / "a", "text");
    const auto may_answer = std::make_shared<support::gate>();
    const auto asked = std::make_shared<support::tally>();
    const support::stub_resolver names([=](const std::string&, std::uint16_t port) -> support::stub_resolver::answer {
        asked->add();
        EXPECT_TRUE(may_answer->wait());
        return std::vector{eddy::net::socket_addr(eddy::net::ipv4_addr(127, 0, 0, 1), port)};
    });
    auto runs = small_runtime();
    run(runs, [&]() -> checked {
        std::vector<eddy::join_handle<eddy::net::lookup_future::output_type>> hanging;
        for (std::size_t i = 0; i <= most_lookups; ++i)
            hanging.push_back(eddy::spawn(eddy::net::lookup_host("name.test", 80)));
        while (asked->count() != most_lookups) co_await eddy::yield_now();

        const auto text = co_await eddy::try_(fs::read_to_string(dir / "a"));
        EXPECT_EQ(text, "text");
        const auto made = co_await eddy::spawn_blocking([] { return 1; });
        EXPECT_EQ(made.value(), 1);
        const auto listener = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
        const auto connected = co_await eddy::net::tcp_stream::connect(listener.value().local_addr().value());
        EXPECT_TRUE(connected) << "an address needs no look-up";
        EXPECT_EQ(asked->count(), most_lookups) << "one more waits";

        may_answer->open();
        for (auto& each : hanging) {
            const auto found = co_await each;
            EXPECT_TRUE(found.value());
        }
        EXPECT_EQ(asked->count(), most_lookups + 1);
        co_return {};
    });
}

}  // namespace
