// SPDX-License-Identifier: MIT
// What an attack on the library found. Each test failed before its fix.
#include <eddy/eddy.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/clock.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <any>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/small_stack.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::core;
using eddy::task;
using eddy::test::by_hand;

// ---- std::ref ----

task<int> slow() {
    co_await eddy::time::sleep(30ms);
    co_return 7;
}

TEST(Adversarial, ATaskLentToASelectGoesOnAfterIt) {
    core loop;
    auto work = slow();
    auto main = [](task<int>& lent) -> task<int> {
        for (;;) {
            auto first = co_await eddy::select(std::ref(lent), eddy::time::sleep(5ms));
            if (first.index() == 0) co_return std::get<0>(first);
        }
    };
    EXPECT_EQ(loop.run(main(work)), 7);
}

TEST(Adversarial, ATaskLentToATimeoutGoesOnAfterTheDeadline) {
    core loop;
    auto work = slow();
    auto main = [](task<int>& lent) -> task<int> {
        auto early = co_await eddy::time::timeout(1ms, std::ref(lent));
        EXPECT_FALSE(early);
        co_return co_await lent;
    };
    EXPECT_EQ(loop.run(main(work)), 7);
}

TEST(Adversarial, TryOfAnLvalueBorrowsIt) {
    eddy::result<std::string> kept = std::string("a text that is too long for the small string optimisation");
    auto use = [](eddy::result<std::string>& from) -> task<eddy::result<std::size_t>> {
        co_return (co_await eddy::try_(from)).size();
    };
    const auto before = kept->size();
    EXPECT_EQ(eddy::wait(use(kept)).value(), before);
    EXPECT_EQ(kept->size(), before) << "the value was moved out of an lvalue";
}

// ---- ~core and re-entrance ----

template <class Fn>
struct at_end {
    Fn f;
    bool armed = true;
    explicit at_end(Fn fn) : f(std::move(fn)) {}
    at_end(at_end&& o) noexcept : f(std::move(o.f)), armed(std::exchange(o.armed, false)) {}
    ~at_end() {
        if (armed) f();
    }
};

TEST(Adversarial, ALoopThatIsRunWhileItIsDestroyedDoesNotOpenAgain) {
    std::optional<eddy::core_remote> remote;
    bool threw = false;
    {
        std::optional<core> loop(std::in_place);
        remote = loop->remote();
        core* const raw = &*loop;
        auto hold = [](auto end) -> task<void> {
            co_await eddy::pending();
            static_cast<void>(end);
        };
        auto rerun = [raw, &threw] {
            try {
                raw->turn(0ns);
            } catch (const eddy::misuse&) {
                threw = true;
            }
        };
        loop->handle().spawn(hold(at_end<decltype(rerun)>(rerun)));
        loop->turn(0ns);
        loop.reset();
    }
    EXPECT_TRUE(threw) << "turn() inside ~core() was allowed";
    auto witness = std::make_shared<int>(0);
    EXPECT_FALSE(remote->spawn([witness] {})) << "a loop that is gone took work";
    EXPECT_EQ(witness.use_count(), 1) << "work was neither run nor destroyed";
}

TEST(Adversarial, ARunInsideTheEndOfItsLoop) {
    int ran = 0;
    bool threw = false;
    {
        core loop;
        auto hold = [](auto end) -> task<void> {
            co_await eddy::pending();
            static_cast<void>(end);
        };
        auto rerun = [&] {
            try {
                loop.run([](int& r) -> task<void> {
                    ++r;
                    co_return;
                }(ran));
            } catch (const eddy::misuse&) {
                threw = true;
            }
        };
        loop.handle().spawn(hold(at_end<decltype(rerun)>(rerun)));
        loop.turn(0ns);
    }
    EXPECT_TRUE(threw);
}

// A user's waker that turns, or destroys, the reactor that wakes it.
struct calling_waker {
    std::function<void()> on_wake;
    eddy::waker get() { return {&vtable, this}; }
    static void* clone(void* d) noexcept { return d; }
    static void wake_it(void* d) noexcept { static_cast<calling_waker*>(d)->on_wake(); }
    static void drop(void*) noexcept {}
    static constexpr eddy::waker_vtable vtable{clone, wake_it, wake_it, drop};
};

TEST(Adversarial, AReactorTurnedFromItsOwnTurn) {
    eddy::reactor reactor;
    std::vector<std::optional<eddy::io::poll_evented<support::owned_fd>>> sources;
    for (int i = 0; i < 8; ++i) {
        support::owned_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        sources.emplace_back(eddy::io::poll_evented<support::owned_fd>::make(
                                 std::move(fd), eddy::io::interest::readable, reactor.handle())
                                 .value());
    }
    std::string said;
    bool once = true;
    calling_waker waker{[&] {
        if (!std::exchange(once, false)) return;
        sources.clear();
        auto turned = reactor.turn(0ns);
        said = turned ? "turned" : turned.error().message();
    }};
    eddy::waker w = waker.get();
    eddy::context cx(w);
    for (auto& s : sources) EXPECT_FALSE(s->registration().poll_read_ready(cx));
    for (auto& s : sources) {
        std::uint64_t one = 1;
        ASSERT_EQ(::write(s->source().native_handle(), &one, 8), 8);
    }
    EXPECT_TRUE(reactor.turn(1s));
    EXPECT_NE(said, "turned");
}

TEST(AdversarialDeathTest, AReactorDestroyedFromItsOwnTurnSaysSo) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<eddy::reactor> reactor(std::in_place);
            support::owned_fd fd(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
            support::owned_fd fd2(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
            auto a = eddy::io::registration::attach(fd, eddy::io::interest::readable, reactor->handle()).value();
            auto b = eddy::io::registration::attach(fd2, eddy::io::interest::readable, reactor->handle()).value();
            calling_waker waker{[&] {
                reactor.reset();
                static_cast<void>(a.deregister());
                static_cast<void>(b.deregister());
            }};
            eddy::waker w = waker.get();
            eddy::context cx(w);
            static_cast<void>(a.poll_read_ready(cx));
            static_cast<void>(b.poll_read_ready(cx));
            static_cast<void>(reactor->turn(1s));
        },
        "eddy: a reactor");
}

// ---- Exceptions ----

struct throws_in_cancel {
    using output_type = void;
    throws_in_cancel() {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) { throw std::runtime_error("poll_cancel threw"); }
};

TEST(Adversarial, WhatPollCancelThrowsComesOut) {
    auto inner = []() -> task<void> { co_await throws_in_cancel(); };
    EXPECT_THROW(static_cast<void>(eddy::wait(eddy::select_biased(inner(), eddy::ready()))), std::runtime_error);
}

struct text_error {
    std::string text;
    text_error(std::error_code e) : text(e.message()) {
        if (e == std::errc::io_error) throw std::runtime_error("conversion threw");
    }
};

TEST(Adversarial, WhatTheConversionOfATriedErrorThrowsComesOut) {
    auto work = []() -> task<std::expected<int, text_error>> {
        co_await eddy::try_(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::io_error)));
        co_return 1;
    };
    EXPECT_THROW(static_cast<void>(eddy::wait(work())), std::runtime_error);
}

struct throws_at_end {
    bool armed = true;
    throws_at_end() {}
    throws_at_end(throws_at_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
    ~throws_at_end() noexcept(false) {
        if (std::exchange(armed, false)) throw std::runtime_error("a destructor threw");
    }
};

TEST(Adversarial, ALocalThatThrowsWhenTryEndsItsCoroutine) {
    auto work = []() -> task<eddy::result<int>> {
        throws_at_end local;
        co_await eddy::try_(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::io_error)));
        co_return 1;
    };
    EXPECT_THROW(static_cast<void>(eddy::wait(work())), std::runtime_error);
}

TEST(Adversarial, AForEachThatThrewHoldsNothing) {
    struct items : eddy::stream_ops<items> {
        using item_type = int;
        std::shared_ptr<int> held;
        explicit items(std::shared_ptr<int> h) : held(std::move(h)) {}
        eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional<int>(1); }
    };
    auto held = std::make_shared<int>(0);
    by_hand each(items(held).for_each([](int) { throw std::runtime_error("body"); }));
    EXPECT_THROW(static_cast<void>(each.poll()), std::runtime_error);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_THROW(static_cast<void>(each.poll()), eddy::misuse) << "it was polled after it had ended";
}

TEST(Adversarial, AForEachForwardsPollCancelToItsBody) {
    struct items : eddy::stream_ops<items> {
        using item_type = int;
        items() {}
        eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional<int>(1); }
    };
    support::script s;
    auto each = items().for_each([&](int) { return support::cancellable_scripted(s); });
    static_cast<void>(eddy::wait(eddy::select_biased(std::move(each), eddy::ready())));
    EXPECT_EQ(s.cancel_polls, 1);
}

// ---- Moved, destroyed ----

TEST(AdversarialDeathTest, ATaskMovedWhileItRuns) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<task<void>> a;
            std::optional<task<void>> b;
            auto body = [](std::optional<task<void>>& from, std::optional<task<void>>& to) -> task<void> {
                to.emplace(std::move(*from));
                co_return;
            };
            a.emplace(body(a, b));
            auto w = eddy::waker::noop();
            eddy::context cx(w);
            static_cast<void>(a->poll(cx));
            b.reset();
        },
        "eddy: a task was moved");
}

struct drops_owner_in_cancel {
    using output_type = void;
    std::optional<task<void>>* owner;
    explicit drops_owner_in_cancel(std::optional<task<void>>& o) : owner(&o) {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        owner->reset();
        return eddy::poll_result<void>::ready();
    }
};
TEST(AdversarialDeathTest, ATaskDestroyedInsideItsOwnCancel) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<task<void>> a;
            a.emplace([](std::optional<task<void>>& o) -> task<void> { co_await drops_owner_in_cancel(o); }(a));
            auto w = eddy::waker::noop();
            eddy::context cx(w);
            static_cast<void>(a->poll(cx));
            static_cast<void>(a->poll_cancel(cx));
        },
        "eddy: a task was destroyed while");
}

// ---- I/O ----

TEST(Adversarial, OneUrgentByteIsNotReadyForEver) {
    support::connection pair;
    core loop;
    auto main = [](support::connection& c) -> task<bool> {
        c.peer.send_urgent('u');
        static_cast<void>(co_await c.stream.ready(eddy::io::interest::priority));
        char byte = 0;
        EXPECT_EQ(::recv(c.stream.native_handle(), &byte, 1, MSG_OOB), 1);
        c.peer.send("x");
        std::array<std::byte, 64> buffer;
        static_cast<void>(co_await c.stream.read(buffer));
        auto again = co_await eddy::time::timeout(20ms, c.stream.read(buffer));  // up to EAGAIN
        EXPECT_FALSE(again);
        auto more = co_await eddy::time::timeout(20ms, c.stream.ready(eddy::io::interest::priority));
        co_return more.has_value();
    };
    EXPECT_FALSE(loop.run(main(pair))) << "who waits for urgent data in a loop takes one core";
}

TEST(Adversarial, AShutdownThatComesAfterItsStreamDoesNotTouchAStranger) {
    core loop;
    std::optional<eddy::net::tcp_stream> victim;
    std::optional<support::connection> first(std::in_place);
    const int number = first->stream.native_handle();
    auto late = first->stream.shutdown();
    first.reset();
    support::connection second;
    ASSERT_EQ(::dup2(second.peer.fd(), number), number);
    EXPECT_TRUE(support::misuse_of([&] { static_cast<void>(loop.run(std::move(late))); }));
    EXPECT_EQ(::send(number, "x", 1, MSG_NOSIGNAL), 1) << "the shutdown hit a stranger's connection";
    ::close(number);
}

// ---- Time ----

TEST(Adversarial, AnIntervalThatStartsLongAgoDoesNotOverflow) {
    const auto next = eddy::time::next_tick(eddy::time::missed_tick_behavior::skip, eddy::time::time_point::min(),
                                            eddy::time::time_point(24h), 1s);
    EXPECT_GT(next, eddy::time::time_point(24h));
    EXPECT_LE(next, eddy::time::time_point(24h) + 1s);
}

TEST(Adversarial, ASleepThatIsResetToTheFirstInstantEndsAtOnce) {
    core loop;
    eddy::time::sleep_future nap = eddy::time::sleep(1h);
    bool ended = false;
    auto sleeps = [](eddy::time::sleep_future& of, bool& done) -> task<void> {
        co_await of;
        done = true;
    };
    loop.handle().spawn(sleeps(nap, ended));
    loop.turn(0ns);
    nap.reset(eddy::time::time_point::min());
    const auto before = std::chrono::steady_clock::now();
    loop.turn(2s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 400ms) << "it slept until the turn's own limit";
    loop.turn(0ns);
    EXPECT_TRUE(ended);
}

TEST(Adversarial, ExtremesOfTime) {
    using eddy::time::duration;
    using eddy::time::time_point;
    core loop;
    auto all = []() -> task<void> {
        co_await eddy::time::sleep(duration::min());
        co_await eddy::time::sleep(std::chrono::hours::min());
        co_await eddy::time::sleep_until(time_point::min());
        for (auto d : {duration::max(), duration::max() - 1ns, duration(1h * 24 * 365 * 100)}) {
            static_cast<void>(co_await eddy::time::timeout(100us, eddy::time::sleep(d)));
            static_cast<void>(co_await eddy::time::timeout(d, eddy::time::sleep(10us)));
        }
        static_cast<void>(co_await eddy::time::timeout(100us, eddy::time::sleep_until(time_point::max() - 1ns)));
        static_cast<void>(co_await eddy::time::timeout(duration::min(), eddy::pending()));
        auto every = eddy::time::interval(duration::max());
        co_await every.tick();
        static_cast<void>(co_await eddy::time::timeout(100us, every.tick()));
    };
    loop.run(all());
    loop.turn(std::chrono::nanoseconds::min());
    std::thread alarm([remote = loop.remote()] { static_cast<void>(remote.spawn([] {})); });
    loop.turn(std::chrono::nanoseconds::max());
    alarm.join();
}

// ---- Fork ----

template <class Fn>
int in_child(Fn f, std::chrono::seconds limit = 3s) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(static_cast<unsigned>(limit.count()));
        ::_exit(f());
    }
    int status = 0;
    support::repeated([&] { return ::waitpid(child, &status, 0); });
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Adversarial, ARemoteInAForkedChildIsRefused) {
    core loop;
    auto remote = loop.remote();
    EXPECT_EQ(in_child([&] { return remote.spawn([] {}) ? 1 : 0; }), 0) << "work was taken that can never run";
}

TEST(Adversarial, ARemoteInAForkedChildDoesNotWakeTheParent) {
    core loop;
    auto remote = loop.remote();
    auto handle = loop.handle().reactor().value();
    EXPECT_EQ(in_child([&] {
                  handle.wake();
                  return 0;
              }),
              0);
    const auto before = std::chrono::steady_clock::now();
    loop.turn(300ms);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 250ms) << "the child woke the parent's loop";
}

// ---- A user's own future ----

struct aggregate_future {
    using output_type = int;
    std::unique_ptr<int> value;
    eddy::poll_result<int> poll(eddy::context&) { return *value; }
};

TEST(Adversarial, ACallThatMakesAnAggregateFutureDestroysItOnce) {
    core loop;
    auto answer = loop.remote().call([] { return aggregate_future{std::make_unique<int>(5)}; });
    loop.turn(0ns);
    EXPECT_EQ(answer.get(), 5);
}

// ---- What is closed stays closed, also when it opens again ----

std::size_t waits_in_50ms(core& loop, auto& source) {
    std::size_t rounds = 0;
    auto reads = [](auto& from, std::size_t& n) -> task<void> {
        for (;;) {
            auto guard = co_await from.readable();
            ++n;
            if (!guard || guard->try_io([](auto& s) { return s.read(1); })) co_return;
        }
    };
    auto limited = [&](auto& from) -> task<void> {
        static_cast<void>(co_await eddy::time::timeout(50ms, reads(from, rounds)));
    };
    loop.run(limited(source));
    return rounds;
}

TEST(Adversarial, ASocketThatIsRegisteredBeforeItConnectsDoesNotSpin) {
    core loop;
    auto listener = support::raw_socket::listening();
    support::raw_socket client;
    client.set_nonblocking();
    std::optional<eddy::io::async_fd<support::owned_fd>> source;
    auto registers = [&](int fd) -> task<void> {
        source.emplace(support::owned_fd(fd));
        co_await eddy::time::sleep(1ms);  // EPOLLHUP | EPOLLOUT: it is not connected yet
    };
    const auto to = listener.addr();
    const int fd = client.release();
    loop.run(registers(fd));
    support::raw_socket borrowed(fd);
    borrowed.connect(to);
    auto peer = listener.accept();
    EXPECT_LT(waits_in_50ms(loop, *source), 10u) << "one core at 100 %";
    static_cast<void>(borrowed.release());
}

TEST(Adversarial, AFifoThatOpensAgainDoesNotSpin) {
    char name[] = "/tmp/eddy_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    const std::string path = std::string(name) + "/fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    core loop;
    std::optional<eddy::io::async_fd<support::owned_fd>> source;
    auto begins = [&]() -> task<void> {
        source.emplace(support::owned_fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK)), eddy::io::interest::readable);
        support::owned_fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK)).write(1);
        co_await eddy::time::sleep(1ms);
        while (source->get().read(1).value_or(0) != 0) {
        }
    };
    loop.run(begins());
    support::owned_fd writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK));
    EXPECT_LT(waits_in_50ms(loop, *source), 10u) << "one core at 100 %";
    ::unlink(path.c_str());
    ::rmdir(name);
}

TEST(Adversarial, AUnixSocketIsRefusedOrReadUntilEagain) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    support::raw_socket peer(ends[1]);
    auto stream = eddy::net::tcp_stream::from_native(ends[0]);
    if (!stream) return;  // refused: as good
    const auto send_with_fd = [&](char c) {
        iovec bytes{&c, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        *reinterpret_cast<int*>(CMSG_DATA(header)) = 0;
        ASSERT_EQ(::sendmsg(peer.fd(), &message, 0), 1);
    };
    core loop;
    std::array<std::byte, 64> buffer;
    auto one = [](eddy::net::tcp_stream& from, std::span<std::byte> into) -> task<std::size_t> {
        auto count = co_await eddy::time::timeout(200ms, from.read(into));
        co_return count && *count ? **count : 0;
    };
    EXPECT_EQ(loop.run(one(*stream, buffer)), 0u);  // registers
    send_with_fd('a');
    send_with_fd('b');
    EXPECT_EQ(loop.run(one(*stream, buffer)), 1u);
    EXPECT_EQ(loop.run(one(*stream, buffer)), 1u) << "a byte is there, and its wake-up is lost";
}

// ---- What stays behind ----

TEST(Adversarial, TheUncaughtHandlerIsDestroyedOnTheLoopsThread) {
    struct notes {
        std::thread::id* where;
        explicit notes(std::thread::id& w) : where(&w) {}
        ~notes() { *where = std::this_thread::get_id(); }
    };
    std::thread::id destroyed;
    std::optional<eddy::core_remote> remote;
    {
        core loop = core::builder()
                        .on_uncaught([held = std::make_shared<notes>(destroyed)](std::exception_ptr,
                                                                                 const std::source_location&) {})
                        .build()
                        .value();
        remote = loop.remote();
    }
    std::thread([&remote] { remote.reset(); }).join();
    EXPECT_EQ(destroyed, std::this_thread::get_id());
}

TEST(AdversarialDeathTest, ARegistrationThatIsUsedAfterItsEndSaysSo) {
    eddy::reactor reactor;
    support::owned_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    auto gone = eddy::io::registration::attach(fd, eddy::io::interest::readable, reactor.handle()).value();
    ASSERT_TRUE(gone.deregister());
    EXPECT_EXIT(
        {
            try {
                static_cast<void>(gone.try_io(eddy::io::interest::readable, [] { return eddy::result<int>(1); }));
            } catch (const eddy::misuse&) {
            }
            ::_exit(0);
        },
        ::testing::ExitedWithCode(0), "");
}

TEST(Adversarial, MisuseOfATaskNamesTheCallersPlace) {
    auto ended = []() -> task<void> { co_return; }();
    eddy::wait(ended);
    std::string said;
    auto awaits = [](task<void>& t, std::string& text) -> task<void> {
        try {
            co_await t;
        } catch (const eddy::misuse& wrong) {
            text = wrong.what();
        }
    };
    eddy::wait(awaits(ended, said));
    EXPECT_NE(said.find("adversarial_test.cpp"), std::string::npos) << said;
}

// With Clang the constraints of poll_result once asked for themselves.
TEST(Adversarial, AFutureOfAnAnyCompiles) { EXPECT_TRUE(eddy::wait(eddy::ready(std::any(1))).has_value()); }

}  // namespace

namespace {

TEST(Adversarial, WhatFailsOnItsWayToTheLoopIsReportedWithThePlaceOfItsSpawn) {
    std::string place;
    core loop =
        core::builder()
            .on_uncaught([&place](std::exception_ptr, const std::source_location& where) { place = where.file_name(); })
            .build()
            .value();
    auto ended = []() -> task<void> { co_return; }();
    eddy::wait(std::move(ended));
    auto gone = std::move(ended);
    static_cast<void>(loop.remote().spawn(std::move(ended)));
    loop.turn(0ns);
    EXPECT_NE(place.find("adversarial_test.cpp"), std::string::npos) << place;
}

}  // namespace
