// SPDX-License-Identifier: MIT
// The mistakes of docs/mistakes.md whose answer is printed at run time: `programs NAME` makes one. Some wait for ever.
// tests/mistakes/check.py compares what is printed with the page.
#include <eddy/prelude.hpp>

#include <eddy/fs.hpp>
#include <eddy/http.hpp>
#include <eddy/proto.hpp>
#include <eddy/signal.hpp>
#ifdef EDDY_MISTAKES_WITH_TLS
#include <eddy/tls.hpp>
#endif

#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace codec = eddy::codec;
namespace fs = eddy::fs;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace proto = eddy::proto;
namespace sync = eddy::sync;
namespace time = eddy::time;

task<void> nothing() { co_return; }
task<int> number() { co_return 1; }

// ---- Tasks ----

task<void> await_twice() {
    auto one = number();
    const int a = co_await one;
    const int b = co_await one;
    std::printf("%d\n", a + b);
}

#ifndef __clang__  // which has a warning only
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
task<int> number_if(bool is_known) {
    if (is_known) co_return 1;
}
#pragma GCC diagnostic pop
task<void> no_co_return() { std::printf("%d\n", co_await number_if(false)); }
#endif

// Correct: a join handle is its own storage.
task<result<void>> named_handle() {
    auto handle = eddy::spawn(number());
    const int one = co_await try_(std::move(handle));
    co_return one == 1 ? result<void>() : std::unexpected(std::make_error_code(std::errc::io_error));
}

// ---- Runtimes ----

task<void> run_in_task() {
    eddy::run(nothing());
    co_return;
}

task<void> sleep_a_little() { co_await time::sleep(1ms); }
task<void> connect_somewhere() { static_cast<void>(co_await net::tcp_stream::connect("127.0.0.1:9")); }

task<void> block_the_thread() {
    std::this_thread::sleep_for(1h);
    co_return;
}

task<void> compute_for_long() {
    volatile unsigned steps = 0;
    for (;;) steps = steps + 1;
    co_return;
}

task<void> wake_for_ever() {
    for (;;) co_await time::sleep(1s);
}
task<void> endless_task() {
    eddy::spawn(wake_for_ever()).detach();
    co_return;
}

// ---- Lifetimes ----

task<void> handle_after_scope() {
    eddy::scope_handle* kept = nullptr;
    co_await eddy::scope([&](eddy::scope_handle& children) -> task<void> {
        kept = &children;
        co_return;
    });
    kept->spawn(nothing());
}

task<void> guard_outlives_mutex() {
    auto count = std::make_unique<sync::mutex<int>>(1);
    auto guard = co_await count->lock();
    count.reset();
    *guard = 2;
}

using numbers = sync::mpsc<int>;

task<void> receive(numbers::receiver* from) { static_cast<void>(co_await from->recv()); }

task<void> receiver_destroyed() {
    auto [sender, receiver] = numbers::channel(1);
    auto kept = std::make_unique<numbers::receiver>(std::move(receiver));
    auto handle = eddy::spawn(receive(kept.get()));
    while (!handle.is_finished()) {
        co_await time::sleep(10ms);
        kept.reset();
    }
}

// ---- Locks and channels ----

sync::mutex<int> first(1);
sync::mutex<int> second(2);

task<void> add_to_first() {
    auto guard = co_await first.lock();
    ++*guard;
}
task<void> second_lock_in_function() {
    auto guard = co_await first.lock();
    co_await add_to_first();
}

task<void> lock_both(sync::mutex<int>& one, sync::mutex<int>& other) {
    auto a = co_await one.lock();
    co_await time::sleep(10ms);
    auto b = co_await other.lock();
}
task<void> locks_in_opposite_orders() {
    auto both = eddy::join(eddy::spawn(lock_both(first, second)), eddy::spawn(lock_both(second, first)));
    static_cast<void>(co_await both);
}

task<void> send_one(numbers::sender to, int value) { static_cast<void>(co_await to.send(value)); }
task<void> own_sender() {
    auto [sender, receiver] = numbers::channel(8);
    for (int i = 0; i < 3; ++i) eddy::spawn(send_one(sender, i)).detach();
    while (auto next = co_await receiver.recv()) std::printf("%d\n", *next);
}

task<void> two_receivers() {
    auto [sender, receiver] = numbers::channel(8);
    auto one = eddy::spawn(receive(&receiver));
    auto other = eddy::spawn(receive(&receiver));
    co_await time::sleep(10ms);
    for (int i = 0; i < 2; ++i) static_cast<void>(co_await sender.send(i));
    static_cast<void>(co_await one);
    static_cast<void>(co_await other);
}

task<void> read_some(net::tcp_stream& from) {
    std::array<std::byte, 4> bytes{};
    static_cast<void>(co_await from.read(bytes));
}
task<result<void>> two_readers() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    auto client = co_await try_(net::tcp_stream::connect(listener.local_addr().value()));
    auto accepted = co_await try_(listener.accept());
    auto one = eddy::spawn(read_some(client));
    co_await time::sleep(10ms);
    auto other = eddy::spawn(read_some(client));
    co_await time::sleep(10ms);
    co_await try_(accepted.stream.write_all("abcd"));
    (co_await one).value();
    (co_await other).value();
    co_return eddy::ok();
}

task<result<void>> write_pages(fs::file& to, char all) {
    const std::string page(512 * 1024, all);  // a shorter write ends in the same poll
    for (int i = 0; i < 100; ++i) co_await try_(io::write_all(to, page));
    co_return eddy::ok();
}
task<result<void>> two_writers() {
    auto file = co_await try_(fs::temp_file());
    auto one = eddy::spawn(write_pages(file, '1'));
    auto other = eddy::spawn(write_pages(file, '2'));
    auto of_one = co_await one;
    auto of_other = co_await other;  // both use the file until they end
    static_cast<void>(of_one.value());
    static_cast<void>(of_other.value());
    co_return eddy::ok();
}

task<void> send_while_borrowed() {
    auto [sender, receiver] = sync::watch<int>::channel(0);
    const auto guard = receiver.borrow();
    static_cast<void>(sender.send(1));
    co_return;
}

task<void> lost_notification() {
    sync::notify changed;
    changed.notify_waiters();
    co_await changed.notified();
}

task<void> own_handle() {
    auto handle = std::make_shared<std::optional<eddy::join_handle<void>>>();
    auto begin = std::make_shared<sync::notify>();
    *handle = eddy::spawn([handle, begin]() -> task<void> {
        co_await begin->notified();
        static_cast<void>(co_await **handle);
    });
    begin->notify_one();
    co_return;
}

// ---- Errors and bytes ----

task<void> value_of_error() {
    const auto stream = co_await net::tcp_stream::connect("no address");
    std::printf("%d\n", stream.value().native_handle());
}

task<void> fail() {
    throw std::runtime_error("disk full");
    co_return;
}
task<void> dropped_handle() {
    eddy::spawn(fail()).detach();
    co_return;
}

task<result<void>> no_port() {
    co_await try_(net::tcp_stream::connect("localhost"));
    co_return eddy::ok();
}

task<result<void>> moved_stream() {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    auto stream = co_await try_(net::tcp_stream::connect(listener.local_addr().value()));
    const auto other = std::move(stream);
    co_await try_(stream.write_all("text"));  // NOLINT(bugprone-use-after-move): the mistake
    co_return eddy::ok();
}

task<result<void>> read_into_empty() {
    auto [a, b] = io::duplex(16);
    std::string into;
    co_await try_(io::read(b, into));
    co_return eddy::ok();
}

task<result<void>> no_flush() {
    auto [a, b] = io::duplex(16);
    io::buf_writer writer(std::move(a));
    co_await try_(io::write_all(writer, "text"));
    co_return eddy::ok();
}

task<result<void>> reader_for_each_line() {
    auto [a, b] = io::duplex(64);
    co_await try_(io::write_all(a, "one\ntwo\n"));
    for (int i = 0; i < 2; ++i) {
        io::buf_reader reader(std::ref(b));
        std::string line;
        co_await try_(io::read_line(reader, line));
        std::printf("%s\n", line.c_str());
    }
    co_return eddy::ok();
}

task<result<void>> end_ignored() {
    auto [a, b] = io::duplex(16);
    eddy::drop(std::move(a));
    std::array<std::byte, 4> bytes{};
    for (;;) co_await try_(io::read(b, bytes));
}

// ---- HTTP, TLS and names ----

/// Serves `app` while `ask(url)` runs.
template <class Ask>
task<result<void>> serve_during(http::router app, Ask ask) {
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const std::string url = "http://" + listener.local_addr().value().to_string();
    const sync::cancellation_token end;
    auto options = http::serve_options().shutdown(end);
    auto serving = eddy::spawn(http::serve(std::move(listener), std::move(app), std::move(options)));
    co_await try_(ask(url));
    end.cancel();
    static_cast<void>(co_await serving);
    co_return eddy::ok();
}

task<result<void>> body_twice() {
    auto answer = http::response::text("text");
    static_cast<void>(co_await try_(answer.body.read_text()));
    static_cast<void>(co_await try_(answer.body.read_text()));
    co_return eddy::ok();
}

task<http::response> user(http::request asked) { co_return http::response::text(std::string(asked.param("user"))); }
task<result<void>> ask_for_user(std::string url) {
    const http::client web;
    auto answer = co_await try_(web.get(url + "/users/7"));
    static_cast<void>(co_await try_(answer.body.read_text()));
    co_return eddy::ok();
}
task<result<void>> unknown_parameter() {
    http::router app;
    app.get("/users/{id}", user);
    co_return co_await serve_during(std::move(app), ask_for_user);
}

task<http::response> large(http::request) { co_return http::response::text(std::string(1 << 20, 'x')); }
task<result<void>> ask_often(std::string url) {
    const http::client web;
    for (int i = 0; i < 12; ++i) {
        const auto answer = co_await try_(web.get(url + "/large"));
        std::printf("%d\n", http::to_int(answer.status));
    }
    co_return eddy::ok();
}
task<result<void>> unread_bodies() {
    http::router app;
    app.get("/large", large);
    co_return co_await serve_during(std::move(app), ask_often);
}

task<void> limit_of_unknown_clients() {
    const auto app = http::router() | http::client_limit(http::client_limit_options(1, 1s));
    static_cast<void>(co_await app(http::request()));
}
task<result<void>> ignored_shutdown_token() {
    const auto stop = co_await try_(eddy::signal::shutdown_token());
    std::raise(SIGTERM);
    while (!stop.is_cancelled()) co_await eddy::yield_now();
    std::raise(SIGTERM);
    co_await eddy::pending<void>();
    co_return eddy::ok();
}

task<result<std::string>> refuse(std::string) { co_return std::unexpected(std::make_error_code(std::errc::io_error)); }
task<result<void>> no_recover() {
    auto [client, server] = io::duplex(1024);
    co_await try_(io::write_all(client, "question\n"));
    co_await try_(proto::pipelined(codec::framed(std::move(server), codec::lines_codec(100)), refuse));
    co_return eddy::ok();
}

#ifdef EDDY_MISTAKES_WITH_TLS
int swapped_files() {
    constexpr std::string_view key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    constexpr std::string_view certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    const auto own = eddy::tls::identity::from_pem(key, certificate);
    std::puts(own ? "accepted" : own.error().message().c_str());
    return 1;
}
#endif

/// Returns a program that runs a coroutine.
template <class F>
std::function<int()> runs(F* coroutine) {
    return [coroutine]() -> int {
        if constexpr (std::is_void_v<decltype(eddy::run(coroutine()))>) {
            eddy::run(coroutine());
            return 0;
        } else {
            return eddy::run(coroutine());
        }
    };
}

const std::map<std::string_view, std::function<int()>> programs = {
    {"await_twice", runs(await_twice)},
#ifndef __clang__
    {"no_co_return", runs(no_co_return)},
#endif
    {"named_handle", runs(named_handle)},
    {"no_runtime", [] { return eddy::spawn(nothing()).is_finished() ? 1 : 0; }},
    {"run_in_task", runs(run_in_task)},
    {"sleep_without_loop", [] { return eddy::wait(sleep_a_little()), 0; }},
    {"socket_without_loop", [] { return eddy::wait(connect_somewhere()), 0; }},
    {"block_the_thread", runs(block_the_thread)},
    {"compute_for_long", runs(compute_for_long)},
    {"endless_task", runs(endless_task)},
    {"handle_after_scope", runs(handle_after_scope)},
    {"guard_outlives_mutex", runs(guard_outlives_mutex)},
    {"receiver_destroyed", runs(receiver_destroyed)},
    {"second_lock_in_function", runs(second_lock_in_function)},
    {"locks_in_opposite_orders", runs(locks_in_opposite_orders)},
    {"own_sender", runs(own_sender)},
    {"two_receivers", runs(two_receivers)},
    {"two_readers", runs(two_readers)},
    {"two_writers", runs(two_writers)},
    {"send_while_borrowed", runs(send_while_borrowed)},
    {"lost_notification", runs(lost_notification)},
    {"own_handle", runs(own_handle)},
    {"value_of_error", runs(value_of_error)},
    {"dropped_handle", runs(dropped_handle)},
    {"no_port", runs(no_port)},
    {"moved_stream", runs(moved_stream)},
    {"read_into_empty", runs(read_into_empty)},
    {"no_flush", runs(no_flush)},
    {"reader_for_each_line", runs(reader_for_each_line)},
    {"end_ignored", runs(end_ignored)},
    {"body_twice", runs(body_twice)},
    {"unknown_parameter", runs(unknown_parameter)},
    {"unread_bodies", runs(unread_bodies)},
    {"limit_of_unknown_clients", runs(limit_of_unknown_clients)},
    {"ignored_shutdown_token", runs(ignored_shutdown_token)},
    {"no_recover", runs(no_recover)},
#ifdef EDDY_MISTAKES_WITH_TLS
    {"swapped_files", swapped_files},
#endif
};

}  // namespace

int main(int count, char** arguments) {
    const auto found = count == 2 ? programs.find(arguments[1]) : programs.end();
    if (found == programs.end()) return 99;  // see check.py
    return found->second();
}
