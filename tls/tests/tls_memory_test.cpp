// SPDX-License-Identifier: MIT
// TLS connections of which one allocation fails: of the library, or of OpenSSL. A separate executable, since it
// replaces operator new and OpenSSL's allocation functions.
// runs: once, memory
#include <eddy/tls.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "support/failing_allocations.hpp"
#include "support/net.hpp"
#include "support/tls_pair.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::allocations_left;
using support::no_limit;
using support::one_has_failed;
using support::shake_hands;
using support::tls_handshake;
using support::tls_stream;
using support::tls_world;
namespace tls = eddy::tls;

// ---- OpenSSL's allocations ----

thread_local long openssl_left = no_limit;

/// Returns whether the next allocation of OpenSSL fails.
bool fails_now() noexcept {
    if (openssl_left == 0) {
        openssl_left = one_has_failed;
        return true;
    }
    if (openssl_left > 0) --openssl_left;
    return false;
}
void* allocate(std::size_t size, const char*, int) { return fails_now() ? nullptr : std::malloc(size); }
void* reallocate(void* block, std::size_t size, const char*, int) {
    return fails_now() ? nullptr : std::realloc(block, size);
}
void release(void* block, const char*, int) { std::free(block); }

/// Possible only before OpenSSL's first allocation.
const bool openssl_can_fail = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

// ---- Connections ----

task<result<void>> send(tls_stream& to, std::string text) {
    co_await try_(to.write_all(text));
    co_return co_await to.flush();
}

task<result<std::string>> receive(tls_stream& from, std::size_t size) {
    std::string text(size, ' ');
    co_await try_(from.read_exact(text));
    co_return std::move(text);
}

/// The outcome of a call, of which one allocation may have failed.
struct attempt {
    std::error_code error;
    bool has_thrown = false;
    bool has_failed = false;  // an allocation

    attempt() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Polls an operation of a stream that needs no wait, while its n-th allocation fails.
template <class F>
attempt with_failure(long nth, F operation) {
    attempt made;
    by_hand hand(std::move(operation));
    allocations_left = nth;
    try {
        const auto outcome = assert_ready(hand.poll());
        if (!outcome) made.error = outcome.error();
    } catch (const std::bad_alloc&) {
        made.has_thrown = true;
    }
    made.has_failed = allocations_left == one_has_failed;
    allocations_left = no_limit;
    return made;
}

struct TlsMemory : testing::Test {
    tls_world world;
    eddy::core loop;

    tls_handshake connect() { return shake_hands(loop, *world.client().build(), *world.server().build()); }
};

TEST_F(TlsMemory, ReadFailsIfReceivedInputCannotBeKept) {
    bool was_seen = false;
    for (long nth = 0;; ++nth) {
        auto pair = connect();
        ASSERT_TRUE(pair.client && pair.server);
        ASSERT_TRUE(loop.run(send(*pair.server, "-")).has_value());
        ASSERT_EQ(loop.run(receive(*pair.client, 1)).value_or("nothing"), "-");  // and the sessions
        // The client receives both records, and keeps the second one for the next read.
        ASSERT_TRUE(loop.run(send(*pair.server, "a")).has_value());
        ASSERT_TRUE(loop.run(send(*pair.server, "b")).has_value());
        std::array<std::byte, 1> first{};
        const auto made = with_failure(nth, pair.client->read(first));
        EXPECT_FALSE(made.error) << made.error.message();
        const auto second = support::within(loop, receive(*pair.client, 1));  // waits if the input was lost
        if (made.has_failed && !made.has_thrown) {
            was_seen = true;
            EXPECT_EQ(second.error(), std::errc::not_enough_memory) << nth;
            EXPECT_EQ(support::within(loop, receive(*pair.client, 1)).error(), std::errc::not_enough_memory);
            EXPECT_EQ(loop.run(send(*pair.client, "x")).error(), std::errc::not_enough_memory);
        } else {
            EXPECT_EQ(second.value_or("nothing"), made.has_thrown ? "a" : "b") << nth;
        }
        if (!made.has_failed || HasFailure()) break;
    }
    EXPECT_TRUE(was_seen);
}

TEST_F(TlsMemory, WriteFailsIfOutputCannotBeStored) {
    const std::string text(40'000, 'x');  // more than the memory that streams of a thread share
    bool was_seen = false;
    for (long nth = 0;; ++nth) {
        auto pair = connect();
        ASSERT_TRUE(pair.client && pair.server);
        const auto made = with_failure(nth, pair.client->write_all(std::span(text)));
        if (made.has_failed && !made.has_thrown) {
            was_seen = true;
            EXPECT_EQ(made.error, std::errc::not_enough_memory) << nth;
            EXPECT_EQ(loop.run(send(*pair.client, "x")).error(), std::errc::not_enough_memory);
        }
        if (!made.has_failed || HasFailure()) break;
    }
    EXPECT_TRUE(was_seen);
}

TEST_F(TlsMemory, WriteAfterAFlushNeedsNoMemory) {
    auto pair = connect();
    ASSERT_TRUE(pair.client && pair.server);
    ASSERT_TRUE(loop.run(send(*pair.client, "x")).has_value());  // its flush has nothing to send
    const std::string text = "y";
    const auto made = with_failure(0, pair.client->write_all(std::span(text)));
    EXPECT_FALSE(made.has_failed || made.error);
}

TEST_F(TlsMemory, ShutdownFailsIfCloseNotifyCannotBeStored) {
    bool was_seen = false;
    bool has_thrown = false;
    for (long nth = 0;; ++nth) {
        auto pair = connect();
        ASSERT_TRUE(pair.client && pair.server);
        attempt made;
        // A new thread has no memory for output that another stream has left.
        std::thread([&] { made = with_failure(nth, pair.client->shutdown()); }).join();
        if (made.error) {
            was_seen = true;
            EXPECT_EQ(made.error, std::errc::not_enough_memory) << nth;
            EXPECT_TRUE(loop.run(pair.client->shutdown()).has_value());  // ends the connection below
            EXPECT_EQ(loop.run(receive(*pair.server, 1)).error(), eddy::errc::tls_truncated);
        } else {
            if (made.has_thrown) {
                has_thrown = true;
                EXPECT_TRUE(loop.run(pair.client->shutdown()).has_value());
            }
            EXPECT_EQ(loop.run(receive(*pair.server, 1)).error(), eddy::errc::unexpected_eof) << nth;
        }
        if (!made.has_failed || HasFailure()) break;
    }
    EXPECT_TRUE(was_seen);
    EXPECT_TRUE(has_thrown);
}

TEST_F(TlsMemory, FailedShutdownSendsWhatWasWrittenBefore) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 3000);
    ASSERT_TRUE(pair.client && pair.server);
    const std::string text(5000, 'x');
    ASSERT_EQ(loop.run(pair.client->write(std::span(text))).value(), text.size());  // the connection holds a part of it
    by_hand reading(receive(*pair.server, text.size()));
    assert_pending(reading.poll());
    const auto made = with_failure(0, pair.client->shutdown());
    EXPECT_TRUE(made.has_failed);
    EXPECT_EQ(made.error, std::errc::not_enough_memory);
    EXPECT_TRUE(assert_ready(reading.poll()).value() == text);
}

/// Performs a handshake, and exchanges data, while an allocation fails. Then does both again without a failure. Returns
/// whether an allocation has failed.
template <class Fail>
bool handshake_with_failure(TlsMemory& of, const Fail& fail) {
    const auto client = *of.world.client().build();
    const auto server = *of.world.server().build();
    std::string got = "bad_alloc";
    try {
        auto all = [](tls::client_config mine, tls::server_config theirs, const Fail& begin) -> task<std::string> {
            auto [here, there] = eddy::io::duplex(64 * 1024);
            auto both = eddy::join(tls::connect(std::move(here), std::move(mine), "localhost"),
                                   tls::accept(std::move(there), std::move(theirs)));
            begin();
            auto [one, other] = co_await both;
            if (!one || !other) co_return (one ? other.error() : one.error()).message();
            const auto sent = co_await send(*other, "hello");
            if (!sent) co_return sent.error().message();
            const auto text = co_await receive(*one, 5);  // the sessions are before it
            co_return text ? *text : text.error().message();
        };
        got = of.loop.run(all(client, server, fail));
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
    }
    const bool has_failed = allocations_left == one_has_failed || openssl_left == one_has_failed;
    allocations_left = openssl_left = no_limit;
    EXPECT_TRUE(has_failed || got == "hello") << got;
    for (int i = 0; i < 2; ++i) {
        auto pair = shake_hands(of.loop, client, server);
        EXPECT_TRUE(pair.client && pair.server) << "after: " << got;
        if (!pair.client || !pair.server) break;
        EXPECT_TRUE(of.loop.run(send(*pair.server, "hello")).has_value()) << "after: " << got;
        EXPECT_EQ(of.loop.run(receive(*pair.client, 5)).value_or("nothing"), "hello") << "after: " << got;
        if (i == 1) {
            EXPECT_TRUE(pair.client->was_resumed()) << "after: " << got;
        }
    }
    return has_failed;
}

TEST_F(TlsMemory, FailedAllocationEndsOneHandshake) {
    for (long nth = 0;; ++nth) {
        const bool has_failed = handshake_with_failure(*this, [nth] { allocations_left = nth; });
        if (!has_failed || HasFailure()) break;
    }
}

TEST_F(TlsMemory, FailedAllocationOfOpensslEndsOneHandshake) {
    ASSERT_TRUE(openssl_can_fail);
    EXPECT_FALSE(handshake_with_failure(*this, [] {}));  // loads what OpenSSL loads once
    for (long nth = 0;; nth += 61) {
        const bool has_failed = handshake_with_failure(*this, [nth] { openssl_left = nth; });
        if (!has_failed || HasFailure()) break;
    }
}

}  // namespace
