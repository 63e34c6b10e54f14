// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <support/gate.hpp>
#include <support/net.hpp>
#include <support/resolver.hpp>
#include <support/sanitizers.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>
#include <sys/resolve.hpp>

// Name resolution, and the types that convert to socket addresses. For connecting to names, see tcp_stream_test.cpp.

namespace {

using namespace std::chrono_literals;
using eddy::net::ip_addr;
using eddy::net::ipv4_addr;
using eddy::net::ipv6_addr;
using eddy::net::lookup_host;
using eddy::net::lookup_request;
using eddy::net::socket_addr;
using eddy::net::to_socket_addrs;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::comes_true;
using support::gate;
using support::stub_resolver;
using support::tally;
using support::within;

using addresses = std::vector<socket_addr>;
using answer = stub_resolver::answer;

const socket_addr some_addr(ipv4_addr(192, 0, 2, 1), 7);

/// Returns the answer of a lookup that must complete in its first poll.
answer known(lookup_request what) {
    by_hand lookup{lookup_host(std::move(what))};
    return assert_ready(lookup.poll());
}

/// A resolver that must not be called.
answer never(const std::string& host, std::uint16_t) {
    ADD_FAILURE() << "the resolver was called for " << host;
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

// ---- Accepted types ----

static_assert(to_socket_addrs<socket_addr>);
static_assert(to_socket_addrs<const char*>);
static_assert(to_socket_addrs<char[13]>);
static_assert(to_socket_addrs<std::string>);
static_assert(to_socket_addrs<std::string_view>);
static_assert(to_socket_addrs<std::span<const socket_addr>>);
static_assert(to_socket_addrs<std::span<socket_addr>>);
static_assert(to_socket_addrs<std::vector<socket_addr>>);
static_assert(to_socket_addrs<std::array<socket_addr, 2>>);
static_assert(!to_socket_addrs<int>);
static_assert(!to_socket_addrs<std::uint16_t>);
static_assert(!to_socket_addrs<ip_addr>);
static_assert(!to_socket_addrs<std::vector<std::string>>);
static_assert(!to_socket_addrs<lookup_request>);

// covers: S27
TEST(LookupHost, AddressesResolveImmediatelyWithoutThread) {
    const stub_resolver stub(never);
    const socket_addr v4(ipv4_addr::loopback(), 80);
    const socket_addr v6(ipv6_addr::loopback(), 80);
    const auto link_local = ipv6_addr::parse("fe80::1").value();
    EXPECT_EQ(known(v4), addresses{v4});
    EXPECT_EQ(known("127.0.0.1:80"), addresses{v4});
    EXPECT_EQ(known(std::string("[::1]:80")), addresses{v6});
    EXPECT_EQ(known(std::string_view("127.0.0.1:80 ").substr(0, 12)), addresses{v4});
    EXPECT_EQ(known(lookup_request("127.0.0.1", 80)), addresses{v4});
    EXPECT_EQ(known(lookup_request("::1", 80)), addresses{v6});
    EXPECT_EQ(known(lookup_request(ipv4_addr::loopback(), 80)), addresses{v4});
    EXPECT_EQ(known(lookup_request(ip_addr::v6_loopback(), 80)), addresses{v6});
    const addresses both{v6, v4};
    EXPECT_EQ(known(both), both);
    EXPECT_EQ(known(std::span(both)), both);
    EXPECT_EQ(known(std::array{v4, v6, v4}), (addresses{v4, v6, v4}));
    EXPECT_EQ(known(lookup_request("fe80::1%1", 80)), (addresses{socket_addr(link_local, 80, 0, 1)}));
    EXPECT_EQ(known("[fe80::1%1]:80"), (addresses{socket_addr(link_local, 80, 0, 1)}));
}

TEST(LookupHost, InvalidTextIsRefusedImmediately) {
    const stub_resolver stub(never);
    for (const std::string_view text :
         {"", ":", ":80", "localhost", "localhost:", "localhost:x", "localhost:-1", "localhost:+1", "localhost: 80",
          "localhost:80 ", "localhost:65536", " localhost:80", "local host:80", "local\thost:80", "http://localhost:80",
          "user@localhost:80", "localhost:80:80", "::1:80", "[::1]", "[localhost]:80", "[::1%]:80", "::1",
          // Legacy and invalid forms of addresses: some programs read 127.1 as 127.0.0.1.
          "127.0.0.1", "127.1:80", "127.0.0.256:80", "127.0.0.1.2:80", "0177.0.0.1:80", "2130706433:80",
          "0x7f000001:80", "0x7f.0x1:80", "127.0.0.1.:80", "example.0:80", "example.0x1f:80"}) {
        EXPECT_EQ(known(text).error(), eddy::errc::bad_address) << '"' << text << '"';
    }
    EXPECT_EQ(known(std::string("local\0host:80", 13)).error(), eddy::errc::bad_address);
    for (const std::string_view host :
         {"", " ", "localhost:80", "[::1]", "::1]", "::1%", "fe80::1%no-such-interface", "not an ip", "127.1", "a/b"}) {
        EXPECT_EQ(known(lookup_request(host, 80)).error(), eddy::errc::bad_address) << '"' << host << '"';
    }
    EXPECT_EQ(known("localhost").error(), std::errc::invalid_argument);
    EXPECT_NE(known("localhost").error().message().find("localhost:80"), std::string::npos);
}

// covers: S28
TEST(LookupHost, EmptyListIsAnError) {
    const auto error = known(addresses()).error();
    EXPECT_EQ(error, eddy::errc::no_address);
    EXPECT_EQ(error, std::errc::invalid_argument);
    EXPECT_EQ(error.message(), "could not resolve to any address");
}

TEST(LookupHost, RequestReturnsHostPortAndAddresses) {
    const lookup_request name("localhost:80");
    EXPECT_TRUE(name.is_name());
    EXPECT_EQ(name.host(), "localhost");
    EXPECT_EQ(name.port(), 80);
    EXPECT_EQ(name.addrs().error(), eddy::errc::no_address);
    const lookup_request addr(some_addr);
    EXPECT_FALSE(addr.is_name());
    EXPECT_EQ(addr.host(), "");
    EXPECT_EQ(addr.port(), 0);
    ASSERT_EQ(addr.addrs()->size(), 1u);
    EXPECT_EQ(addr.addrs()->front(), some_addr);
}

// ---- Names ----

TEST(LookupHost, ResolverGetsNameAndPort) {
    std::string asked;
    const stub_resolver stub([&](const std::string& host, std::uint16_t port) -> answer {
        asked = host + " " + std::to_string(port);
        return addresses{some_addr};
    });
    const auto asks = [&](lookup_request what) {
        EXPECT_EQ(eddy::wait(lookup_host(std::move(what))), addresses{some_addr});
        return asked;
    };
    EXPECT_EQ(asks("localhost:80"), "localhost 80");
    EXPECT_EQ(asks(std::string("www.example.com:0")), "www.example.com 0");
    EXPECT_EQ(asks("example.com.:65535"), "example.com. 65535");
    EXPECT_EQ(asks("a_b-1.x2:1"), "a_b-1.x2 1");
    EXPECT_EQ(asks("4.example:1"), "4.example 1");
    EXPECT_EQ(asks("0xg:1"), "0xg 1");
    EXPECT_EQ(asks("b\xc3\xbc"
                   "cher.example:1"),
              "b\xc3\xbc"
              "cher.example 1");
    EXPECT_EQ(asks(lookup_request("localhost", 443)), "localhost 443");
    EXPECT_EQ(eddy::wait(lookup_host("localhost", 1)), addresses{some_addr});
}

// covers: S27 P064
TEST(LookupHost, LocalhostResolvesToLoopback) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto found = within(core, lookup_host("localhost:6142"));
    ASSERT_TRUE(found) << found.error().message();
    for (const auto& addr : *found) {
        EXPECT_TRUE(addr.ip().is_loopback()) << addr.to_string();
        EXPECT_EQ(addr.port(), 6142);
    }
    EXPECT_EQ(within(core, lookup_host("localhost", 6142)), found);
}

TEST(LookupHost, AddressesKeepResolverOrder) {
    const addresses several{some_addr, socket_addr(ipv6_addr::loopback(), 2), some_addr};
    const stub_resolver stub(several);
    EXPECT_EQ(eddy::wait(lookup_host("many:1")), several);
}

TEST(LookupHost, LookupNeedsNoEventLoop) {
    const stub_resolver stub(addresses{some_addr});
    EXPECT_EQ(eddy::wait(lookup_host("name:1")), addresses{some_addr});
}

TEST(LookupHost, ResolverRunsOnAnotherThread) {
    std::thread::id where;
    const stub_resolver stub([&](const std::string&, std::uint16_t) -> answer {
        where = std::this_thread::get_id();
        return addresses{some_addr};
    });
    EXPECT_TRUE(eddy::wait(lookup_host("name:1")));
    EXPECT_NE(where, std::this_thread::get_id());
    EXPECT_NE(where, std::thread::id());
}

TEST(LookupHost, ForkedChildResolvesOnOwnThreads) {
    if (support::is_sanitized) GTEST_SKIP() << "ThreadSanitizer allows no new threads after this fork(2)";
    const stub_resolver stub(addresses{some_addr});
    EXPECT_TRUE(eddy::wait(lookup_host("name:1")));
    EXPECT_TRUE(support::is_true_in_child([] { return eddy::wait(lookup_host("name:1")) == addresses{some_addr}; }));
}

TEST(LookupHost, UnpolledLookupDoesNotCallResolver) {
    const stub_resolver stub(never);
    [[maybe_unused]] const auto dropped = lookup_host("name:1");
}

// ---- Errors ----

/// Returns the error of a lookup for which getaddrinfo(3) returned this code.
std::error_code error_of(int code) {
    const stub_resolver stub([code](const std::string&, std::uint16_t) -> answer {
        errno = EMFILE;
        return std::unexpected(eddy::sys::resolver_error(code));
    });
    return eddy::wait(lookup_host("name:1")).error();
}

TEST(LookupHost, ResolverErrorsHaveMessages) {
    const auto unknown = error_of(EAI_NONAME);
    EXPECT_EQ(unknown.category(), eddy::net::resolver_category());
    EXPECT_EQ(unknown.value(), EAI_NONAME);
    EXPECT_EQ(unknown.message(), ::gai_strerror(EAI_NONAME));
    EXPECT_EQ(unknown.category().name(), std::string("getaddrinfo"));
    EXPECT_EQ(error_of(EAI_AGAIN), std::errc::resource_unavailable_try_again);
    EXPECT_EQ(error_of(EAI_MEMORY), std::errc::not_enough_memory);
}

TEST(LookupHost, SystemErrorOfResolverIsTheErrorOfTheLookup) {
    EXPECT_EQ(error_of(EAI_SYSTEM), std::errc::too_many_files_open);
}

TEST(LookupHost, NameWithoutAddressesIsAnError) {
    const stub_resolver stub(addresses{});
    EXPECT_EQ(eddy::wait(lookup_host("name:1")).error(), eddy::errc::no_address);
}

TEST(LookupHost, ResolverOutOfMemoryIsAnError) {
    const stub_resolver stub([](const std::string&, std::uint16_t) -> answer { throw std::bad_alloc(); });
    EXPECT_EQ(eddy::wait(lookup_host("name:1")).error(), std::errc::not_enough_memory);
}

// ---- A resolver that does not answer ----

/// A resolver that waits until it is released. The destructor releases it and waits for all calls.
class slow_resolver {
public:
    slow_resolver()
        : stub_([this](const std::string&, std::uint16_t) -> answer {
              begun.add();
              EXPECT_TRUE(released.wait());
              ended.add();
              return addresses{some_addr};
          }) {}
    ~slow_resolver() {
        released.open();
        EXPECT_TRUE(ended.wait_for(begun.count()));
    }

    tally begun;
    gate released;
    tally ended;

private:
    stub_resolver stub_;
};

TEST(LookupHost, PollAfterCompletionThrowsMisuse) {
    slow_resolver slow;
    by_hand literal{lookup_host(some_addr)};
    static_cast<void>(assert_ready(literal.poll()));
    EXPECT_THROW(static_cast<void>(literal.poll()), eddy::misuse);
    by_hand name{lookup_host("slow:1")};
    assert_pending(name.poll());
    slow.released.open();
    ASSERT_TRUE(comes_true([&] { return name.is_woken(); }));
    EXPECT_TRUE(assert_ready(name.poll()));
    EXPECT_THROW(static_cast<void>(name.poll()), eddy::misuse);
}

// covers: S27
TEST(LookupHost, SlowResolverDoesNotBlockTicker) {
    const support::leaves_no_descriptor guard;
    slow_resolver slow;
    eddy::core core;
    std::chrono::nanoseconds worst{};
    int ticks = 0;
    const auto tick = [&]() -> eddy::task<void> {
        auto every = eddy::time::interval(1ms);
        for (auto last = std::chrono::steady_clock::now();;) {
            co_await every.tick();
            const auto now = std::chrono::steady_clock::now();
            worst = std::max<std::chrono::nanoseconds>(worst, now - std::exchange(last, now));
            if (++ticks == 100) slow.released.open();  // not earlier: 100 ticks must happen while the resolver blocks
        }
    };
    auto either = eddy::select(lookup_host("slow:1"), tick());
    const auto first = within(core, std::move(either));
    ASSERT_EQ(first.index(), 0u);
    EXPECT_EQ(std::get<0>(first), addresses{some_addr});
    EXPECT_GE(ticks, 100);
    EXPECT_LT(worst, 500ms) << "the ticker was delayed by " << worst.count() << " ns";
}

// covers: R059 I20.4.2
TEST(LookupHost, PausedClockDoesNotAdvanceDuringALookup) {
    const stub_resolver stub(addresses{some_addr});
    auto core = eddy::core::builder().start_paused(true).build().value();
    within(core, []() -> eddy::task<void> {
        for (std::uint64_t left = support::rounds(5'000); left > 0; --left) {
            const auto found = co_await eddy::time::timeout(1ms, lookup_host("name:1"));
            EXPECT_TRUE(found.has_value());
        }
    }());
}

TEST(LookupHost, LookupDoesNotWaitBehindBlockingWork) {
    constexpr unsigned as_many_as_names = 64;
    const stub_resolver stub(addresses{some_addr});
    gate over;
    tally ended;
    eddy::core core;
    within(core, [](const gate& until, tally& count) -> eddy::task<void> {
        for (unsigned i = 0; i < as_many_as_names; ++i) {
            eddy::spawn_blocking([&until, &count] {
                EXPECT_TRUE(until.wait());
                count.add();
            }).detach();
        }
        const auto found = co_await lookup_host("name:1");
        EXPECT_TRUE(found.has_value());
        EXPECT_EQ(count.count(), 0u);
    }(over, ended));
    over.open();
    EXPECT_TRUE(ended.wait_for(as_many_as_names));
}

/// Starts a lookup, and drops it as soon as the resolver was called.
eddy::task<void> begin_and_drop(const slow_resolver& slow) {
    const auto before = slow.begun.count();
    const auto until_begun = [&]() -> eddy::task<void> {
        auto every = eddy::time::interval(1ms);
        while (slow.begun.count() == before) co_await every.tick();
    };
    auto either = eddy::select(lookup_host("slow:1"), until_begun());
    const auto first = co_await either;
    EXPECT_EQ(first.index(), 1u);
}

// covers: R123
TEST(LookupHost, DroppedLookupDoesNotKeepLoopRunning) {
    const support::leaves_no_descriptor guard;
    slow_resolver slow;
    eddy::core core;
    within(core, begin_and_drop(slow));
    core.run_until_idle();
    EXPECT_EQ(slow.begun.count(), 1u);
    EXPECT_EQ(slow.ended.count(), 0u);
}

// covers: R123
TEST(LookupHost, LoopEndsDuringPendingLookup) {
    const support::leaves_no_descriptor guard;
    slow_resolver slow;
    {
        eddy::core core;
        core.handle().spawn([]() -> eddy::task<void> { static_cast<void>(co_await lookup_host("slow:1")); }).value();
        ASSERT_TRUE(comes_true([&] {
            core.turn(1ms);
            return slow.begun.count() == 1;
        }));
    }
    EXPECT_EQ(slow.ended.count(), 0u);
}

// covers: R123
TEST(LookupHost, RunDoesNotWaitForDroppedLookup) {
    const support::leaves_no_descriptor guard;
    slow_resolver slow;
    EXPECT_EQ(eddy::run(begin_and_drop(slow)), 0);
    EXPECT_EQ(slow.begun.count(), 1u);
    EXPECT_EQ(slow.ended.count(), 0u);
}

// covers: R123
TEST(LookupHostDeathTest, ProgramExitDoesNotWaitForResolver) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto look_up_and_exit = [] {
        gate begun;
        const stub_resolver stub([&](const std::string&, std::uint16_t) -> answer {
            begun.open();
            for (;;) ::pause();
        });
        by_hand lookup{lookup_host("slow:1")};
        assert_pending(lookup.poll());
        std::exit(begun.wait() ? 0 : 1);
    };
    EXPECT_EXIT(look_up_and_exit(), testing::ExitedWithCode(0), "");
}

TEST(LookupHost, LookupDroppedInQueueIsNotResolved) {
    slow_resolver slow;
    std::vector<std::unique_ptr<by_hand<eddy::net::lookup_future>>> lookups;
    for (int i = 0; i < 200; ++i) {
        lookups.push_back(std::make_unique<by_hand<eddy::net::lookup_future>>(lookup_host("slow:1")));
        assert_pending(lookups.back()->poll());
    }
    ASSERT_TRUE(slow.begun.wait_for(64)) << "64 lookups must run at the same time";
    lookups.clear();
    slow.released.open();
    // A new lookup is resolved after the dropped ones.
    EXPECT_TRUE(eddy::wait(lookup_host("slow:1")));
    EXPECT_EQ(slow.begun.count(), 65u);
}

TEST(LookupHost, AtMost64LookupsRunConcurrently) {
    const support::leaves_no_descriptor guard;
    std::atomic<int> now = 0;
    std::atomic<int> most = 0;
    const stub_resolver stub([&](const std::string&, std::uint16_t) -> answer {
        const int running = ++now;
        for (int seen = most; seen < running && !most.compare_exchange_weak(seen, running);) {
        }
        std::this_thread::yield();
        --now;
        return addresses{some_addr};
    });
    eddy::core core;
    int found = 0;
    for (int i = 0; i < 1000; ++i) {
        core.handle()
            .spawn([&found]() -> eddy::task<void> {
                const auto addrs = co_await lookup_host("name:1");
                found += addrs == addresses{some_addr};
            })
            .value();
    }
    core.run_until_idle();
    EXPECT_EQ(found, 1000);
    EXPECT_LE(most, 64);
}

TEST(LookupHostStress, LookupsDroppedAtAnyTimeLeakNothing) {
    const support::leaves_no_descriptor guard;
    const stub_resolver stub([](const std::string&, std::uint16_t port) -> answer {
        if (port % 3 == 0) std::this_thread::yield();
        return addresses(10, socket_addr(ipv4_addr::loopback(), port));
    });
    eddy::core core;
    for (auto left = support::rounds(100'000); left > 0; --left) {
        const auto port = static_cast<std::uint16_t>(left);
        auto either = eddy::select(lookup_host("name", port), eddy::yield_now());
        const auto first = core.run(std::move(either));
        if (first.index() == 0) {
            EXPECT_EQ(std::get<0>(first)->back().port(), port);
        }
    }
}

}  // namespace
