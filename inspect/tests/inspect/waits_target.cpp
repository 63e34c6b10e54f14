// SPDX-License-Identifier: MIT
// A program whose tasks wait for one future of each type, see expected_waits.hpp.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/codec.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/signal.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "expected_waits.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using eddy::sync::mpsc;

auto sleep() { return eddy::time::sleep(1h); }
eddy::task<void> nap() { co_await sleep(); }
eddy::task<eddy::result<void>> nap_well() {
    co_await sleep();
    co_return eddy::ok();
}
std::vector<eddy::task<void>> two_naps() {
    std::vector<eddy::task<void>> all;
    all.push_back(nap());
    all.push_back(nap());
    return all;
}
auto failure() { return eddy::ready(eddy::result<void>(std::unexpect, eddy::make_error_code(eddy::errc::timed_out))); }

struct server {};

// docs: a future of its own
class reply_future {
public:
    using output_type = void;

    explicit reply_future(const server& from) : server_(&from) {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }

    static constexpr auto wait_shape() { return eddy::inspect::awaits("a reply of a server", &reply_future::server_); }

private:
    [[maybe_unused]] const server* server_;
};
// docs: end

/// As a wait for a lock of a file.
class lock_future {
public:
    using output_type = void;

    explicit lock_future(int fd) : fd_(fd) {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }

    static constexpr auto wait_shape() {
        return eddy::inspect::awaits_member(eddy::inspect::wait::named_fd, &lock_future::fd_, "a file lock");
    }

private:
    [[maybe_unused]] int fd_;
};

struct end_of_process {
    using output_type = void;

    int id = 4711;

    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    static constexpr auto wait_shape() {
        return eddy::inspect::awaits_member(eddy::inspect::wait::child_process, &end_of_process::id);
    }
};

struct never {
    eddy::poll_result<void> operator()(eddy::context&) const { return eddy::not_ready; }
};

/// A function that says for what it waits.
struct reply_function : reply_future {
    using reply_future::reply_future;
    eddy::poll_result<void> operator()(eddy::context& cx) { return poll(cx); }
};

void wait_for_combinators() {
    expect("all of 2:|  nap|  waits for a timer|  a timer", eddy::join(nap(), sleep()));
    expect("all of 1:|  a timer", eddy::join(eddy::ready(1), sleep()));
    expect("all of 1:|  nap_well|  waits for a timer", eddy::try_join(nap_well()));
    expect("the first of 2:|  a timer|  nap|  waits for a timer", eddy::select(sleep(), nap()));
    expect("the first of 2:|  a timer|  a timer", eddy::select_biased(sleep(), eddy::when(true, sleep())));
    expect("the first of 1:|  a timer", eddy::race(sleep()));
    expect("all of 2:|  nap|  waits for a timer|  nap|  waits for a timer", eddy::join_all(two_naps()));
    expect("the first of 2:|  nap|  waits for a timer|  nap|  waits for a timer", eddy::select_all(two_naps()));
    expect("the first of 2:|  nap_well|  waits for a timer|  deadline:|    a timer",
           eddy::time::try_timeout(1h, nap_well()));
    expect("the first of 2:|  a timer|  deadline:|    a timer", eddy::with_deadline(1h, sleep()));
    expect("nap|waits for a timer", eddy::maybe_done(nap()));
    expect("nap|waits for a timer", eddy::pin(nap()));
    expect("nap|waits for a timer", eddy::boxed_future<void>(nap()).map([] {}));
    expect("nap|waits for a timer", eddy::shielded(nap()));
    expect("nap|waits for a timer", eddy::finally(nap(), [] { return sleep(); }));
    expect("a timer", eddy::finally(eddy::ready(), [] { return sleep(); }));
    expect("nap_well|waits for a timer", eddy::retry(eddy::time::backoff(1h), [] { return nap_well(); }));
    expect("a timer", eddy::retry(eddy::time::backoff(1h), [] { return failure(); }));
    expect("a timer", sleep().then([] { return nap(); }));
    expect("nap|waits for a timer", eddy::ready(1).then([](int) { return nap(); }));
    expect("a timer", eddy::unconstrained(sleep()));
    expect("a timer", eddy::cooperative(sleep()));
    expect("a timer", eddy::maybe_done(std::ref(keep(sleep()))));
    expect("the first of 1:|  a timer", eddy::select_loop(eddy::on([] { return sleep(); }, [] {})));
    expect("nap|waits for a timer",
           eddy::select_loop(eddy::on([] { return eddy::ready(1); }, [](int) { return nap(); })));
    expect("a timer", eddy::select(eddy::on(eddy::ready(1), [](int) { return sleep(); })));
    expect("a timer", [] { return sleep(); });
    expect("a reply of a server", reply_future(make<server>()));
    expect("a reply of a server", eddy::poll_fn(reply_function(make<server>())));
    expect("never", eddy::poll_fn(never()));
    expect("a file lock of descriptor N", lock_future(1));
    // A coroutine that awaits adaptors: the frames of the coroutine in them follow.
    expect("wait_for_combinators::<lambda>|nap|waits for a timer",
           []() -> eddy::task<void> { co_await nap().map([] {}); });
    expect("wait_for_combinators::<lambda>|waits for a timer",
           []() -> eddy::task<void> { co_await sleep().map([] {}); });
}

eddy::task<void> wait_for_sockets() {
    auto& listener = keep(*co_await eddy::net::tcp_listener::bind("127.0.0.1:0"));
    std::vector<tcp_stream*> peers;
    for (int i = 0; i < 18; ++i) {
        peers.push_back(&keep(*co_await tcp_stream::connect(*listener.local_addr())));
        keep(*co_await listener.accept());
    }
    static std::array<std::byte, 64> buffer;
    static const std::vector<std::byte> large(64 << 20);
    expect("data from descriptor N", listener.accept());
    expect("the connections of a server|  data from descriptor N",
           eddy::net::serve(*co_await eddy::net::tcp_listener::bind("127.0.0.1:0"), [](tcp_stream) { return nap(); }));
    expect("data from descriptor N", eddy::io::read_exact(*peers[0], buffer));
    expect("data from descriptor N", eddy::io::read(keep(peers[1]->split().reader), buffer));
    expect("room to write to descriptor N", eddy::io::write_all(*peers[1], large));
    expect("data from descriptor N", eddy::io::read_exact(keep(eddy::io::buf_reader(std::ref(*peers[2]))), buffer));
    expect("data from descriptor N", keep(eddy::io::lines(eddy::io::buf_reader(std::move(*peers[3])))).next());
    expect("data from descriptor N", eddy::io::copy(*peers[4], *peers[5]));
    expect("all of 2:|  data from descriptor N|  data from descriptor N",
           eddy::io::copy_bidirectional(*peers[6], *peers[7]));
    expect("data from descriptor N", peers[7]->ready(eddy::io::interest::readable));
    expect("the readiness of descriptor N",
           peers[7]->ready(eddy::io::interest::readable | eddy::io::interest::priority));
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) co_return;
    using eddy::io::fd_view;
    auto& source = make<eddy::io::async_fd<fd_view>>(fd_view(ends[0]));
    expect("data from descriptor N", source.readable());
    expect("data from descriptor N", source.wait_readable());
    expect("data from descriptor N", source.async_io(eddy::io::interest::readable, [](fd_view&) {
        return eddy::result<void>(std::unexpect, std::make_error_code(std::errc::operation_would_block));
    }));
    auto& both = keep(eddy::io::join(std::ref(*peers[16]), std::ref(*peers[16])));
    expect("data from descriptor N", eddy::io::read(both, buffer));
    auto& frames = keep(eddy::codec::framed(std::ref(*peers[17]), eddy::codec::lines_codec()));
    expect("data from descriptor N", frames.next());
    expect("room to write to descriptor N", eddy::io::copy(make<eddy::io::repeat>(std::byte{1}), *peers[8]));
    expect("data from descriptor N",
           eddy::io::read(keep(eddy::io::chain(eddy::io::empty(), std::ref(*peers[9]))), buffer));
    auto& halves = keep(eddy::io::split(std::move(*peers[10])));
    expect("data from descriptor N", eddy::io::read(halves.reader, buffer));
    auto& lines = keep(eddy::codec::framed(std::ref(*peers[11]), eddy::codec::lines_codec()));
    expect("room to write to descriptor N", lines.send(std::string(64 << 20, 'x')));
    expect("data from descriptor N", eddy::io::read(make<eddy::io::boxed_reader>(std::move(*peers[12])), buffer));
    expect("room to write to descriptor N",
           eddy::io::write_all(make<eddy::io::boxed_writer>(std::move(*peers[13])), large));
    expect("data from descriptor N", eddy::io::read(make<eddy::io::boxed_stream>(std::move(*peers[14])), buffer));
    auto& box = make<eddy::io::boxed_stream>(eddy::io::buf_reader(std::move(*peers[15])));
    expect("room to write to descriptor N", eddy::io::write_all(box, large));
}

eddy::task<void> wait_for_channels() {
    auto& [to_full, from_full] = keep(mpsc<int>::channel(1));
    static_cast<void>(co_await to_full.send(1));
    expect("room in a channel", to_full.send(2));
    expect("room in a channel", to_full.reserve());
    expect("room in a channel", mpsc<int>::sender(to_full).reserve_owned());
    expect("room in a channel", to_full.reserve_many(1));
    expect("the first of 2:|  room in a channel|  deadline:|    a timer", to_full.send_timeout(3, 1h));
    expect("the end of a channel's receivers", to_full.closed());
    expect("a message from a channel", keep(mpsc<int>::channel(1)).receiver.recv());
    expect("a message from a channel", keep(mpsc<int>::channel(1)).receiver.recv_many(make<std::vector<int>>(), 9));
    auto& watched = keep(eddy::sync::watch<int>::channel(1));
    static_cast<void>(watched.receiver.borrow_and_update());
    expect("a new value of a watch", watched.receiver.changed());
    auto& other = keep(watched.sender.subscribe());
    expect("a new value of a watch", other.wait_for([](int value) { return value == 2; }));
    expect("a message from a channel", keep(eddy::sync::broadcast<int>::channel(4)).receiver.recv());
    expect("the end of a oneshot's receiver", keep(eddy::sync::oneshot<int>::channel()).sender.closed());
}

/// A stream of the values of a channel that has none.
auto no_items() {
    return std::move(keep(mpsc<int>::channel(1)).receiver).map([](int value) { return value; });
}

void wait_for_streams() {
    expect("a message from a channel", make<decltype(no_items())>(no_items()).next());
    expect("a message from a channel", no_items().for_each([](int) { return nap(); }));
    const auto numbers = [] { return eddy::streams::iter(std::vector{1, 2}); };
    expect("nap|waits for a timer", numbers().for_each([](int) { return nap(); }));
    expect("nap|waits for a timer", numbers().fold(1, [](int, int) { return nap().map([] { return 1; }); }));
    expect("nap|waits for a timer", numbers().all([](int) { return nap().map([] { return true; }); }));
    expect("a message from a channel", no_items().filter([](int) { return true; }).count());
    expect("a message from a channel", make<decltype(no_items().peekable())>(no_items().peekable()).peek());
    expect("nap|waits for a timer", numbers().then([](int) { return nap().map([] { return 1; }); }).count());
    const auto two = [&] { return numbers().map([](int) { return nap().map([] { return 1; }); }); };
    const char* const both_naps = "the first of 2:|  nap|  waits for a timer|  nap|  waits for a timer";
    expect(both_naps, two().buffered(3).count());
    expect(both_naps, two().buffer_unordered(3).count());
    expect(both_naps, numbers().for_each_concurrent(3, [](int) { return nap(); }));
    auto& naps = make<eddy::futures_unordered<eddy::task<void>>>(two_naps());
    expect(both_naps, naps.next());
    const char* const both_channels = "the first of 2:|  a message from a channel|  a message from a channel";
    expect("a message from a channel", no_items().chain(no_items()).count());
    expect(both_channels, no_items().merge(no_items()).count());
    expect("all of 2:|  a message from a channel|  a message from a channel", no_items().zip(no_items()).count());
    expect("all of 1:|  a message from a channel", no_items().zip(numbers()).count());
    auto& set = make<eddy::streams::select_all_stream<decltype(no_items())>>();
    set.push(no_items());
    set.push(no_items());
    expect(both_channels, set.next());
    auto& map = make<eddy::stream_map<int, decltype(no_items())>>();
    map.insert(1, no_items());
    map.insert(2, no_items());
    expect(both_channels, map.next());
    const char* const with_deadline = "the first of 2:|  a message from a channel|  deadline:|    a timer";
    expect(with_deadline, no_items().timeout(1h).count());
    expect("the first of 1:|  a message from a channel", no_items().chunks_timeout(2, 1h).count());
    expect("a timer", numbers().throttle(1h).count());
    expect("a timer", keep(eddy::time::interval_at(eddy::time::clock::now() + 1h, 1h)).next());
    expect("wait_for_streams::<lambda>|waits for a message from a channel", []() -> eddy::task<void> {
        auto items = no_items();
        static_cast<void>(co_await items.next());
    });
}

void wait_for_sinks() {
    auto& [sender, receiver] = keep(mpsc<int>::channel(1));
    static_cast<void>(sender.try_send(1));
    using sink = eddy::sync::poll_sender<int>;
    expect("room in a channel", make<sink>(sender).send(2));
    expect("room in a channel", keep(sink(sender).with<int>([](int value) { return value; })).send(2));
    expect("the first of 2:|  a message from a channel|  eddy::sync::poll_sender", no_items().forward(sink(sender)));
}

void wait_for_objects() {
    expect("a barrier", make<eddy::sync::barrier>(2).wait());
    auto& token = make<eddy::sync::cancellation_token>();
    expect("a cancellation", token.cancelled());
    expect("a timer", token.run_until_cancelled(sleep()));
    expect("the value of a set_once", make<eddy::sync::set_once<int>>().wait());
    auto& cell = make<eddy::sync::once_cell<int>>();
    expect("nap|waits for a timer", cell.get_or_init([] { return nap().map([] { return 1; }); }));
    expect("a signal", keep(*eddy::signal::stream(eddy::signal::kind::user_defined1())).next());
    auto& tracker = make<eddy::sync::task_tracker>();
    keep(tracker.token());
    expect("the end of a tracker's tasks", tracker.wait());
    expect("child process N", end_of_process());
}

void wait_for_tasks() {
    auto& set = make<eddy::join_set<void>>();
    set.spawn(nap());
    expect("a task of a set", set.join_next());
    auto& map = make<eddy::join_map<int, void>>();
    map.spawn(1, nap());
    expect("a task of a set", map.join_next());
    expect("the children of a scope, task N|  body:|    nap|    waits for a timer", eddy::scope([](auto& scope) {
               scope.spawn(nap());
               return nap();
           }));
    expect("the children of a scope, 2 tasks: N", eddy::scope(nap(), nap()));
    // The children see the deadline, so the scope polls them itself.
    expect("the first of 2:|  the children of a scope, task N|  deadline:|    a timer",
           eddy::with_deadline(1h, eddy::scope([](auto& scope) {
                                   scope.spawn(sleep());
                                   return eddy::ready();
                               })));
    auto& owner = make<eddy::task_owner>();
    owner.spawn(nap());
    expect("the children of a scope, task N", owner.wait());
    expect("blocking work", eddy::spawn_blocking([] { std::this_thread::sleep_for(1h); }));
    auto& local = make<eddy::local_set>();
    local.spawn_local(nap()).detach();
    expect("a timer", local.run_until(sleep()));
}

eddy::task<int> run_all() {
    wait_for_combinators();
    co_await wait_for_sockets();
    co_await wait_for_channels();
    wait_for_streams();
    wait_for_sinks();
    wait_for_objects();
    wait_for_tasks();
    std::puts("ready");
    std::fflush(stdout);
    co_await sleep();
    co_return 0;
}

}  // namespace

int main() {
    eddy::core loop;
    return loop.run(run_all());
}
