// SPDX-License-Identifier: MIT
// The mistakes of docs/mistakes.md that eddy-check reports, one function each. They are not run.
// tests/compilers/check_test.py compares the reports with the page.
#include <eddy/prelude.hpp>

#include <eddy/http.hpp>

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
namespace http = eddy::http;
namespace net = eddy::net;
namespace sync = eddy::sync;
namespace time = eddy::time;

struct server {
    std::string name = "a server";
    task<void> run() {
        co_await time::sleep(1ms);
        name += '.';
    }
};

task<void> log(std::string_view text) {
    std::printf("%d\n", static_cast<int>(text.size()));
    co_return;
}
task<void> print(const std::string& text) {
    std::puts(text.c_str());
    co_return;
}

// ---- Lifetimes ----

task<void> detached_with_reference() {
    int hits = 0;
    eddy::spawn([&]() -> task<void> {
        ++hits;
        co_return;
    }).detach();
    co_return;
}

task<eddy::join_handle<void>> returned_handle() {
    int hits = 0;
    auto handle = eddy::spawn([&]() -> task<void> {
        ++hits;
        co_return;
    });
    co_return handle;
}

task<void> called_lambda(std::string name) {
    auto later = [name]() -> task<void> {
        std::puts(name.c_str());
        co_return;
    }();
    co_await later;
}

task<void> detached_with_view() {
    const std::string text = "a text";
    eddy::spawn(log(text)).detach();
    co_return;
}

task<void> detached_member() {
    server local;
    eddy::spawn(local.run()).detach();
    co_return;
}

task<void> returned_task() {
    const std::string text = "a text";
    return print(text);
}

task<void> temporary_argument() {
    auto later = print("a text");
    co_await later;
}

task<void> local_of_scope_body() {
    co_await eddy::scope([](eddy::scope_handle& children) -> task<void> {
        const std::string text = "a text";
        children.spawn(print(text));
        co_return;
    });
}

http::router router_with_reference() {
    const std::string text = "a text";
    http::router app;
    app.get("/", [&](http::request) -> task<http::response> { co_return http::response::text(text); });
    return app;
}

eddy::async_generator<http::event> events_about(const std::string& topic) { co_yield http::event(topic); }

task<http::response> events_of_local(http::request asked) {
    const std::string topic(asked.param("topic"));
    co_return http::event_stream(events_about(topic));
}

task<void> set_with_reference() {
    const std::string text = "a text";
    eddy::join_set<void> all;
    all.spawn(print(text));
    co_await time::sleep(1h);
}

task<void> blocking_with_reference() {
    int hits = 0;
    static_cast<void>(co_await time::timeout(1s, eddy::spawn_blocking([&] { ++hits; })));
}

task<void> unlocked_reference(sync::mutex<int>& count) {
    int& value = *co_await count.lock();
    value = 2;
}

// ---- Locks and channels ----

task<void> lock_across_await(std::mutex& of) {
    const std::lock_guard held(of);
    co_await time::sleep(1ms);
}

task<void> second_lock(sync::mutex<int>& count) {
    auto one = co_await count.lock();
    auto other = co_await count.lock();
    *other = *one;
}

task<void> permit_without_name(sync::semaphore& limit) {
    co_await limit.acquire();
    co_await time::sleep(1ms);
}

// ---- Errors and bytes ----

task<void> discarded_error(net::tcp_stream& to) { co_await to.write_all("text"); }

task<void> result_not_tested() {
    auto stream = co_await net::tcp_stream::connect("127.0.0.1:9");
    static_cast<void>(co_await stream->write_all("text"));
}

task<http::response> missing_field(http::request asked) {
    co_return http::response::text(std::string(*asked.headers.get("X-Key")));
}

}  // namespace
