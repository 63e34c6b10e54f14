// SPDX-License-Identifier: MIT
// The page about the process itself: what it serves, to whom, and while the program is stuck.
// covers: B02 P105
// runs: each driver, tsan
#include <eddy/inspect.hpp>

#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#ifdef __linux__
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "support/deny_io_uring.hpp"
#endif

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "page/shared_text.hpp"
#include "support/environment.hpp"
#include "support/process.hpp"
#include "support/prometheus.hpp"
#include "support/system.hpp"

namespace {

using eddy::task;
using namespace std::chrono_literals;
namespace http = eddy::http;
namespace inspect = eddy::inspect;
namespace net = eddy::net;

std::string url_of(const inspect::server& page, const std::string& path) {
    return "http://" + page.address().to_string() + path;
}

/// Sends a request, and returns the status and the body of its response.
std::pair<int, std::string> ask(std::string url, std::string host = "", http::method how = http::method::get) {
    eddy::core loop;
    return loop.run([&]() -> task<std::pair<int, std::string>> {
        http::client client;
        http::request asked(how);
        if (!host.empty()) asked.headers.set("Host", host);
        auto answer = (co_await client.send(url, std::move(asked))).value();
        auto body = (co_await answer.body.read_text(100 << 20)).value();
        co_return std::pair(http::to_int(answer.status), std::move(body));
    }());
}

TEST(InspectPage, TasksMetricsAndPageAreServed) {
    const auto pool = eddy::runtime::builder().worker_threads(1).task_statistics(true).build().value();
    eddy::sync::notify go_on;
    auto waits = eddy::task_builder().name("<b>waits</b>").spawn_on(pool.handle(), [&]() -> task<void> {
        co_await go_on.notified();
    });
    // The pool has one worker, which polls the first task before this one.
    ASSERT_TRUE(eddy::wait(pool.spawn([]() -> task<void> { co_return; })).has_value());
    const auto page = inspect::serve("127.0.0.1:0").value();
    EXPECT_TRUE(page.address().ip().is_loopback());

    const auto [status, text] = ask(url_of(page, "/"));
    EXPECT_EQ(status, 200);
    EXPECT_TRUE(text.starts_with("<!DOCTYPE html>"));
    EXPECT_EQ(text.find("LOOP_ID"), text.npos);
    EXPECT_EQ(text.find("http://"), text.npos) << "no external resource";
    EXPECT_EQ(text.find("https://"), text.npos);
    EXPECT_EQ(text.find("innerHTML"), text.npos) << "texts of the program are never HTML";

    const auto tree = ask(url_of(page, "/tasks.json")).second;
    EXPECT_NE(tree.find("\"name\":\"<b>waits</b>\""), tree.npos) << tree;
    EXPECT_NE(tree.find("\"kind\":\"notify\""), tree.npos) << tree;
    const auto used = ask(url_of(page, "/statistics.json")).second;
    EXPECT_NE(used.find("{\"id\":" + std::to_string(waits.id()) + ",\"polls\":1,\"busy_ns\":"), used.npos) << used;
    const auto samples = support::samples_in(ask(url_of(page, "/metrics")).second);
    EXPECT_EQ(samples.at("eddy_workers{executor=\"pool-" + std::to_string(pool.handle().id()) + "\"}"), 1);

    EXPECT_EQ(ask(url_of(page, "/none")).first, 404);
    EXPECT_EQ(ask(url_of(page, "/tasks.json"), "", http::method::post).first, 405);
    go_on.notify_one();
    EXPECT_TRUE(eddy::wait(waits).has_value());
}

TEST(InspectPage, OnlyLoopbackNamesAndTheGivenAddressAreAnswered) {
    const auto page = inspect::serve("127.0.0.1:0").value();
    const auto url = url_of(page, "/metrics");
    for (const std::string host : {"localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.2:6670", "[::1]", "[::1]:6670"})
        EXPECT_EQ(ask(url, host).first, 200) << host;
    for (const std::string host :
         {"example.com", "localhost.example.com", "127.0.0.1.example.com:6670", "10.0.0.1", "[::2]", "[", "localhost."})
        EXPECT_NE(ask(url, host).first, 200) << host;
    EXPECT_EQ(ask(url, "attacker.example").first, 403);
}

struct clock_by_hand {
    using time_point = std::chrono::steady_clock::time_point;
    static time_point now() { return time; }
    static inline time_point time;
};

TEST(InspectPage, ClientsOfOneSecondShareALargeAnswer) {
    using shared_text = inspect::shared_text<clock_by_hand>;
    unsigned made = 0;
    const auto large = [&] {
        clock_by_hand::time += 5s;  // it takes long
        return std::string(shared_text::large, static_cast<char>('a' + made++));
    };
    shared_text text;
    std::vector<eddy::bytes> kept;
    for (unsigned i = 0; i < shared_text::most_texts; ++i)
        for (const auto later : {999ms, 1000ms}) {
            kept.push_back(text.get(large).value());
            clock_by_hand::time += later;
        }
    EXPECT_EQ(made, shared_text::most_texts);
    EXPECT_EQ(kept[0].data(), kept[1].data());
    EXPECT_EQ(kept[2].text().front(), 'b');
    clock_by_hand::time += 10s;
    EXPECT_EQ(text.get(large), std::nullopt) << "all of them are still being read";
    EXPECT_EQ(made, shared_text::most_texts);
    kept.resize(2);  // the others have been read
    EXPECT_EQ(text.get(large).value().text().front(), 'e');
}

TEST(InspectPage, SmallAnswersAreNotShared) {
    unsigned made = 0;
    inspect::shared_text<clock_by_hand> text;
    const auto small = [&] { return std::to_string(made++); };
    const auto first = text.get(small).value();
    EXPECT_EQ(first.text(), "0");
    EXPECT_EQ(text.get(small).value().text(), "1");
}

TEST(InspectPage, IsNoLeak) {
    const support::environment variable("EDDY_LEAKS", "1");
    testing::internal::CaptureStderr();
    {
        const auto page = inspect::serve("127.0.0.1:0").value();
        EXPECT_EQ(ask(url_of(page, "/tasks.json")).first, 200);
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(InspectPage, WorksWhileAllThreadsOfTheProgramAreBlocked) {
    const auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    std::promise<void> blocked;
    std::promise<void> go_on;  // destroyed before the pool, which ends the wait
    auto stuck = pool.spawn([&blocked, until = go_on.get_future()] {
        blocked.set_value();
        until.wait();
    });
    blocked.get_future().wait();
    const auto page = inspect::serve("127.0.0.1:0").value();
    EXPECT_NE(ask(url_of(page, "/tasks.json")).second.find("\"status\":\"running\""), std::string::npos);
    EXPECT_EQ(ask(url_of(page, "/metrics")).first, 200);
    go_on.set_value();
    EXPECT_TRUE(eddy::wait(stuck).has_value());
}

TEST(InspectPage, AnswerAboutManyTasksIsNoStall) {
    const auto pool = eddy::runtime::builder().worker_threads(1).stall_limit(0ns).build().value();
    eddy::sync::notify go_on;
    std::vector<eddy::join_handle<void>> all;
    for (int i = 0; i < 3'000; ++i)
        all.push_back(pool.spawn([](eddy::sync::notify& until) -> task<void> { co_await until.notified(); }(go_on)));
    const support::environment stalls("EDDY_STALL", "1ms");
    testing::internal::CaptureStderr();
    {
        const auto page = inspect::serve("127.0.0.1:0").value();
        // The answer takes several milliseconds. A client of eddy would be measured, too.
        const std::string read = "import sys, urllib.request as r; r.urlopen(sys.argv[1]).read()";
        EXPECT_EQ(support::run({EDDY_PYTHON, "-c", read, url_of(page, "/tasks.json")}).err, "");
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    go_on.notify_waiters();
    for (auto& one : all) EXPECT_TRUE(eddy::wait(one).has_value());
}

TEST(InspectPage, HalfSentRequestsDoNotKeepOthersOut) {
    const auto page = inspect::serve("127.0.0.1:0").value();
    eddy::core loop;
    loop.run([&]() -> task<void> {
        std::vector<net::tcp_stream> halves;
        for (int i = 0; i < 200; ++i) {
            halves.push_back((co_await net::tcp_stream::connect(page.address())).value());
            const auto written = co_await halves.back().write_all(std::as_bytes(std::span("GET / HTTP/1.1\r\nHost")));
            written.value();
        }
        http::client client;
        auto answer = (co_await client.get(url_of(page, "/metrics"))).value();
        EXPECT_EQ(answer.status, http::status::ok);
        for (net::tcp_stream& half : halves) {  // each of them ends without further bytes
            std::string text;
            const auto read = co_await eddy::io::read_to_end(half, text);
            read.value();
            EXPECT_TRUE(text.starts_with("HTTP/1.1 408 ")) << text;
        }
    }());
}

#ifdef __linux__
TEST(InspectPage, DriverThatFailsEndsOnlyThePage) {
    constexpr unsigned epoll_pwait2 = 441;
    static constexpr std::initializer_list<unsigned> waits{
#ifdef SYS_epoll_wait
        SYS_epoll_wait, SYS_poll,
#endif
        SYS_epoll_pwait, epoll_pwait2, SYS_ppoll};
    const bool is_denied = support::run_without(waits, EIO, [] {
        const auto page = inspect::serve("127.0.0.1:0");
        if (!page) return;
        const support::owned_fd client(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(page->address().port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(client.native_handle(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
        char byte = 0;
        static_cast<void>(::recv(client.native_handle(), &byte, 1, 0));  // until the page has ended
    });
    EXPECT_TRUE(is_denied);
}

/// Returns the mask of blocked signals of each thread of this process.
std::map<std::string, std::uint64_t> signal_masks() {
    std::map<std::string, std::uint64_t> masks;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream status(each.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("SigBlk:")) masks[each.path().filename()] = std::stoull(line.substr(7), nullptr, 16);
    }
    return masks;
}

/// A program may wait for a signal that all its threads block.
TEST(InspectPage, ThreadTakesNoSignalOfTheProgram) {
    const auto before = signal_masks();
    const auto page = inspect::serve("127.0.0.1:0").value();
    int count = 0;
    for (const auto& [thread, mask] : signal_masks()) {
        if (before.contains(thread)) continue;
        ++count;
        for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD})
            EXPECT_NE(mask & (std::uint64_t{1} << (number - 1)), 0u) << thread << ' ' << number;
        for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT})
            EXPECT_EQ(mask & (std::uint64_t{1} << (fault - 1)), 0u) << "a crash calls no handler: " << fault;
    }
    EXPECT_GE(count, 1);
}
#endif

TEST(InspectPage, ErrorsAreReturned) {
    EXPECT_EQ(inspect::serve("nonsense").error(), eddy::errc::bad_address);
    EXPECT_EQ(inspect::serve("example.com:80").error(), eddy::errc::bad_address);
    const auto first = inspect::serve("localhost:0").value();
    EXPECT_EQ(inspect::serve(first.address().to_string()).error(), std::errc::address_in_use);
}

TEST(InspectPage, DestructorStopsTheServerAndATaskMayDestroyIt) {
    std::optional<net::socket_addr> where;
    eddy::core loop;
    loop.run([&]() -> task<void> {
        const auto page = inspect::serve("127.0.0.1:0").value();
        where = page.address();
        auto idle = co_await net::tcp_stream::connect(*where);  // a connection does not keep it alive
        EXPECT_TRUE(idle.has_value());
    }());
    const auto again = inspect::serve(where->to_string());
    EXPECT_TRUE(again.has_value()) << again.error().message();
}

TEST(InspectPage, PythonsClientReadsEverything) {
    const auto page = inspect::serve("127.0.0.1:0").value();
    const auto ended = support::run({EDDY_PYTHON, "-c", R"(
import http.client, json, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
def ask(path, method="GET", **fields):
    c.request(method, path, headers=fields)
    r = c.getresponse()
    return r, r.read().decode()
r, text = ask("/")
assert r.status == 200 and r.getheader("Content-Type") == "text/html; charset=utf-8", r.status
assert "default-src 'none'" in r.getheader("Content-Security-Policy")
assert r.getheader("Access-Control-Allow-Origin") is None
tree = json.loads(ask("/tasks.json")[1])
assert [e for e in tree["executors"] if e["kind"] == "event loop"], tree
assert json.loads(ask("/statistics.json")[1]) == []
assert ask("/metrics")[0].getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
assert ask("/", "HEAD")[1] == "" and ask("/", "DELETE")[0].status == 405
assert ask("/", Host="example.com")[0].status == 403
print("fine")
)",
                                     std::to_string(page.address().port())});
    EXPECT_EQ(ended.out, "fine\n") << ended.err;
}

#ifdef EDDY_TEST_INSPECT_EXAMPLE
TEST(InspectPage, ExampleShowsItsTasks) {
    support::process program({"inspect_page", "127.0.0.1:0"});
    const auto url = program.line();
    std::string tree;
    const auto limit = std::chrono::steady_clock::now() + 30s;
    do {  // it prints its address before it spawns its tasks
        tree = ask(url + "tasks.json").second;
    } while (!tree.contains("\"function\":\"serve_tables\"") && std::chrono::steady_clock::now() < limit);
    EXPECT_TRUE(tree.contains("\"function\":\"serve_tables\"")) << tree;
    const auto samples = support::samples_in(ask(url + "metrics").second);
    EXPECT_TRUE(samples.contains("eddy_poll_duration_seconds_count{executor=\"pool-1\"}"));
    EXPECT_TRUE(samples.contains("eddy_schedule_latency_seconds_count{executor=\"pool-1\"}"));
}
#endif

}  // namespace
