// SPDX-License-Identifier: MIT
// covers: P067
#include <eddy/tls.hpp>

#include <eddy/codec.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/certificates.hpp"
#include "support/poll_once.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_pair.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::shake_hands;
using support::tls_stream;
using support::tls_world;
namespace tls = eddy::tls;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Returns a text that does not repeat at short distances, so that lost or repeated parts are noticed.
std::string pattern(std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 7 + i / 251 * 31 + i / 65'521) & 0xff);
    return text;
}

template <class S>
task<result<void>> send(S& to, std::string text) {
    co_await try_(to.write_all(text));
    co_return co_await to.flush();
}

template <class S>
task<result<std::string>> receive(S& from, std::size_t size) {
    std::string text(size, ' ');
    co_await try_(from.read_exact(text));
    co_return std::move(text);
}

template <class S>
task<result<std::size_t>> read_some(S& from) {
    std::array<std::byte, 100> into{};
    co_return co_await from.read(into);
}

struct Tls : testing::Test {
    tls_world world;
    eddy::core loop;

    /// Exchanges one text in each direction.
    void exchange(support::tls_handshake& pair) {
        ASSERT_TRUE(pair.client.has_value()) << pair.client.error().message();
        ASSERT_TRUE(pair.server.has_value()) << pair.server.error().message();
        EXPECT_TRUE(loop.run(send(*pair.client, "question")).has_value());
        EXPECT_EQ(loop.run(receive(*pair.server, 8)).value(), "question");
        EXPECT_TRUE(loop.run(send(*pair.server, "answer")).has_value());
        EXPECT_EQ(loop.run(receive(*pair.client, 6)).value(), "answer");
    }
};

// ---- Data ----

TEST_F(Tls, ExchangesDataWithBothVersions) {
    auto newest = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(newest);
    EXPECT_EQ(newest.client->version(), tls::version::tls_1_3);
    EXPECT_EQ(newest.server->version(), tls::version::tls_1_3);
}

TEST_F(Tls, DataOfAnySizeArrivesThroughANarrowConnection) {
    for (const std::size_t capacity : {std::size_t{1}, std::size_t{100}, std::size_t{20'000}}) {
        auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", capacity);
        ASSERT_TRUE(pair.client && pair.server);
        for (const std::size_t size : {1, 2, 1000, 16'384, 16'385, 200'000}) {
            if (size > capacity * 20'000) continue;  // takes seconds under AddressSanitizer
            const auto text = pattern(size);
            auto [sent, received] = loop.run(eddy::join(send(*pair.client, text), receive(*pair.server, size)));
            EXPECT_TRUE(sent.has_value());
            EXPECT_TRUE(received.value() == text) << size << " bytes";
        }
    }
}

TEST_F(Tls, BothDirectionsTransferAtTheSameTime) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 500);
    ASSERT_TRUE(pair.client && pair.server);
    const auto text = pattern(300'000);
    auto [a, b, c, d] = loop.run(eddy::join(send(*pair.client, text), receive(*pair.server, text.size()),
                                            send(*pair.server, text), receive(*pair.client, text.size())));
    EXPECT_TRUE(a.has_value() && c.has_value());
    EXPECT_TRUE(b.value() == text);
    EXPECT_TRUE(d.value() == text);
}

TEST_F(Tls, HalvesTransferOnTwoWorkers) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 3000);
    ASSERT_TRUE(pair.client && pair.server);
    auto runtime = eddy::runtime_builder().worker_threads(2).build();
    ASSERT_TRUE(runtime.has_value());
    constexpr std::size_t size = 1'000'000;
    auto both = [](tls_stream one, tls_stream other) -> task<bool> {
        auto here = eddy::io::split(std::move(one));
        auto there = eddy::io::split(std::move(other));
        auto write = [](eddy::io::write_half<tls_stream> to) -> task<result<void>> {
            const auto text = pattern(size);
            co_await try_(eddy::io::write_all(to, text));
            co_return co_await eddy::poll_fn([&to](eddy::context& cx) { return to.poll_flush(cx); });
        };
        auto read = [](eddy::io::read_half<tls_stream> from) -> task<result<bool>> {
            std::string text(size, ' ');
            co_await try_(eddy::io::read_exact(from, std::as_writable_bytes(std::span(text))));
            co_return text == pattern(size);
        };
        auto first = eddy::spawn(write(std::move(here.writer)));
        auto second = eddy::spawn(write(std::move(there.writer)));
        auto third = eddy::spawn(read(std::move(here.reader)));
        auto fourth = eddy::spawn(read(std::move(there.reader)));
        const auto wrote_first = co_await std::move(first);
        const auto wrote_second = co_await std::move(second);
        const auto read_first = co_await std::move(third);
        const auto read_second = co_await std::move(fourth);
        co_return wrote_first->has_value() && wrote_second->has_value() && read_first->value() && read_second->value();
    };
    EXPECT_TRUE(runtime->block_on(both(*std::move(pair.client), *std::move(pair.server))));
}

TEST_F(Tls, StreamOverAnotherStreamWorks) {
    auto outer = shake_hands(loop, *world.client().build(), *world.server().build());
    ASSERT_TRUE(outer.client && outer.server);
    auto [client, server] =
        loop.run(eddy::join(tls::connect(*std::move(outer.client), *world.client().build(), "localhost"),
                            tls::accept(*std::move(outer.server), *world.server().build())));
    ASSERT_TRUE(client && server);
    const auto text = pattern(100'000);
    auto [sent, received] = loop.run(eddy::join(send(*client, text), receive(*server, text.size())));
    EXPECT_TRUE(sent.has_value());
    EXPECT_TRUE(received.value() == text);
}

TEST_F(Tls, DroppedWritesNeitherLoseNorRepeatBytes) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 700);
    ASSERT_TRUE(pair.client && pair.server);
    const auto text = pattern(300'000);
    auto write = [](tls_stream& to, std::string_view left) -> task<result<void>> {
        while (!left.empty()) {
            auto next = to.write(bytes_of(left.substr(0, 5000)));
            // Polls once, then drops the future if it is not ready.
            auto either = eddy::select_biased(std::move(next), eddy::ready());
            auto first = co_await either;
            if (first.index() == 0) {
                left.remove_prefix(co_await try_(std::get<0>(std::move(first))));
            } else {
                co_await eddy::yield_now();
            }
        }
        co_return co_await to.flush();
    };
    auto [sent, received] = loop.run(eddy::join(write(*pair.client, text), receive(*pair.server, text.size())));
    EXPECT_TRUE(sent.has_value());
    EXPECT_TRUE(received.value() == text);
}

TEST_F(Tls, DroppedReadsLoseNoBytes) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 300);
    ASSERT_TRUE(pair.client && pair.server);
    const auto text = pattern(100'000);
    auto read = [](tls_stream& from, std::size_t size) -> task<result<std::string>> {
        std::string got;
        std::array<char, 1000> part{};
        while (got.size() < size) {
            auto either = eddy::select_biased(from.read(part), eddy::ready());
            auto first = co_await either;
            if (first.index() == 0) {
                const auto count = co_await try_(std::get<0>(std::move(first)));
                got.append(part.data(), count);
            } else {
                co_await eddy::yield_now();
            }
        }
        co_return std::move(got);
    };
    auto [sent, received] = loop.run(eddy::join(send(*pair.client, text), read(*pair.server, text.size())));
    EXPECT_TRUE(sent.has_value());
    EXPECT_TRUE(received.value() == text);
}

TEST_F(Tls, ReadsAndWritesTakeTextAndBytesInAnyContainer) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    ASSERT_TRUE(pair.client && pair.server);
    loop.run([&]() -> task<void> {
        auto& from = *pair.client;
        auto& to = *pair.server;
        const std::vector<unsigned char> numbers{'1', '2', '3'};
        auto sent = co_await from.write_all(numbers);
        EXPECT_TRUE(sent.has_value());
        std::string three(3, ' ');
        auto filled = co_await to.read_exact(three);
        EXPECT_TRUE(filled.has_value());
        EXPECT_EQ(three, "123");
        const auto written = co_await from.write("ab");
        EXPECT_EQ(written.value(), 2U);
        std::array<char, 8> some{};
        const auto count = co_await to.read(some);
        EXPECT_EQ(count.value(), 2U);
        std::string empty;
        EXPECT_THROW(static_cast<void>(to.read(empty)), eddy::misuse);
    });
}

TEST_F(Tls, WriteAllOwnsTemporaryText) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    ASSERT_TRUE(pair.client && pair.server);
    auto writing = pair.client->write_all(std::string("a text that is too long for the string itself"));
    EXPECT_TRUE(loop.run(std::move(writing)).has_value());
    EXPECT_EQ(loop.run(receive(*pair.server, 6)).value(), "a text");
}

// ---- Certificates ----

TEST_F(Tls, IntermediateCertificatesAreSent) {
    // The peer trusts the root only, and needs the two certificates between it and the leaf.
    const support::certificate_authority root("root");
    const support::certificate_authority upper("upper", root);
    const support::certificate_authority lower("lower", upper);
    const auto leaf = lower.issue({"DNS:localhost"});
    const auto trusting = *tls::client_builder().trust_pem(root.pem()).build();
    const auto shakes = [&](const std::string& chain) {
        const auto own = *tls::identity::from_pem(chain, leaf.key);
        return shake_hands(loop, trusting, *tls::server_builder(own).build());
    };
    auto whole = shakes(leaf.pem + lower.pem() + upper.pem());
    exchange(whole);
    for (const auto& chain : {leaf.pem, leaf.pem + lower.pem(), leaf.pem + upper.pem()})
        EXPECT_EQ(shakes(chain).client.error().category(), tls::certificate_category());
    EXPECT_FALSE(tls::identity::from_pem(lower.pem() + leaf.pem, leaf.key).has_value()) << "the leaf is not the first";

    // The certificates of a client, and those of a server that replaces its own.
    const auto own = *tls::identity::from_pem(leaf.pem + lower.pem() + upper.pem(), leaf.key);
    const auto asking = *world.server().require_client_certificate(root.pem()).build();
    auto client = shake_hands(loop, *world.client().identity(own).build(), asking);
    exchange(client);
    EXPECT_TRUE(asking.replace(own).has_value());
    auto replaced = shake_hands(loop, *tls::client_builder().trust_pem(root.pem()).identity(own).build(), asking);
    exchange(replaced);
}

// ---- The end ----

TEST_F(Tls, ShutdownIsReadAsTheEnd) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    EXPECT_TRUE(loop.run(pair.client->shutdown()).has_value());
    EXPECT_EQ(loop.run(read_some(*pair.server)), result<std::size_t>(0));
    EXPECT_EQ(loop.run(read_some(*pair.server)), result<std::size_t>(0));
    // The other direction is still open.
    EXPECT_TRUE(loop.run(send(*pair.server, "late")).has_value());
    EXPECT_EQ(loop.run(receive(*pair.client, 4)).value(), "late");
    EXPECT_EQ(loop.run(pair.client->write(bytes_of("x"))).error(), std::errc::broken_pipe);
    EXPECT_TRUE(loop.run(pair.client->shutdown()).has_value());
}

TEST_F(Tls, EndWithoutShutdownIsTruncation) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    pair.client = std::unexpected(std::error_code());  // destroys the stream
    EXPECT_EQ(loop.run(read_some(*pair.server)).error(), eddy::errc::tls_truncated);
    EXPECT_EQ(loop.run(read_some(*pair.server)).error(), eddy::errc::tls_truncated);
}

TEST_F(Tls, DataBeforeATruncationIsRead) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    EXPECT_TRUE(loop.run(send(*pair.client, "last words")).has_value());
    pair.client = std::unexpected(std::error_code());
    EXPECT_EQ(loop.run(receive(*pair.server, 10)).value(), "last words");
    EXPECT_EQ(loop.run(read_some(*pair.server)).error(), eddy::errc::tls_truncated);
}

/// Writes until that fails.
task<std::error_code> write_until_error(tls_stream& to) {
    for (;;) {
        const auto outcome = co_await send(to, "x");
        if (!outcome) co_return outcome.error();
    }
}

TEST_F(Tls, DataBeforeAFailedWriteIsRead) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    EXPECT_TRUE(loop.run(send(*pair.server, "go away")).has_value());
    pair.server = std::unexpected(std::error_code());
    EXPECT_EQ(loop.run(write_until_error(*pair.client)), std::errc::broken_pipe);
    EXPECT_EQ(loop.run(pair.client->write(bytes_of("x"))).error(), std::errc::broken_pipe);
    EXPECT_EQ(loop.run(receive(*pair.client, 7)).value(), "go away");
    EXPECT_EQ(loop.run(read_some(*pair.client)).error(), eddy::errc::tls_truncated);
}

TEST_F(Tls, RequestOfAClientThatReadsNoTicketsIsRead) {
    auto [here, there] = eddy::io::duplex(64 * 1024);
    loop.run([](auto client_end, auto server_end, const tls_world& certificates) -> task<void> {
        by_hand connecting(tls::connect(std::move(client_end), *certificates.client().build(), "localhost"));
        by_hand accepting(tls::accept(std::move(server_end), *certificates.server().build()));
        assert_pending(connecting.poll());
        assert_pending(accepting.poll());
        {
            auto client = assert_ready(connecting.poll());
            const auto sent = co_await send(*client, "request");
            EXPECT_TRUE(sent.has_value());
        }
        auto server = assert_ready(accepting.poll());  // the server can send no tickets
        EXPECT_TRUE(server.has_value());
        if (!server) co_return;
        const auto request = co_await receive(*server, 7);
        EXPECT_EQ(request.value_or("nothing"), "request");
    }(std::move(here), std::move(there), world));
}

/// One end of a connection in memory, which counts the writes that send something.
class counted_end : public eddy::io::duplex_stream {
public:
    counted_end(eddy::io::duplex_stream&& end, int& writes) noexcept
        : duplex_stream(std::move(end)), writes_(&writes) {}

    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        auto sent = duplex_stream::poll_write(cx, from);
        if (sent && sent->value_or(0) != 0) ++*writes_;
        return sent;
    }

private:
    int* writes_;
};

TEST_F(Tls, ServerSendsItsTicketsWithTheFirstAnswer) {
    auto [here, there] = eddy::io::duplex(64 * 1024);
    int writes = 0;
    counted_end server_end(std::move(there), writes);
    loop.run([&writes](auto client_end, counted_end counted, const tls_world& certificates) -> task<void> {
        const auto config = *certificates.client().build();
        by_hand connecting(tls::connect(std::move(client_end), config, "localhost"));
        by_hand accepting(tls::accept(std::move(counted), *certificates.server().build()));
        assert_pending(connecting.poll());
        assert_pending(accepting.poll());
        auto client = assert_ready(connecting.poll());
        const auto asked = co_await send(*client, "question");
        EXPECT_TRUE(asked.has_value());
        auto server = assert_ready(accepting.poll());
        const auto question = co_await receive(*server, 8);
        EXPECT_EQ(question.value_or("nothing"), "question");
        const int before_answer = writes;
        const auto answered = co_await send(*server, "answer");
        EXPECT_TRUE(answered.has_value());
        EXPECT_EQ(before_answer, 1);  // the server's part of the handshake
        EXPECT_EQ(writes, 2);
        const auto answer = co_await receive(*client, 6);
        EXPECT_EQ(answer.value_or("nothing"), "answer");
    }(std::move(here), std::move(server_end), world));
}

TEST_F(Tls, ServerThatOnlyReadsSendsItsTicketsWithItsEnd) {
    auto [here, there] = eddy::io::duplex(64 * 1024);
    int writes = 0;
    counted_end server_end(std::move(there), writes);
    const auto config = *world.client().build();
    const auto server_config = *world.server().build();
    loop.run([&](auto client_end, counted_end counted) -> task<void> {
        by_hand connecting(tls::connect(std::move(client_end), config, "localhost"));
        by_hand accepting(tls::accept(std::move(counted), server_config));
        assert_pending(connecting.poll());
        assert_pending(accepting.poll());
        auto client = assert_ready(connecting.poll());
        auto server = assert_ready(accepting.poll());
        EXPECT_EQ(writes, 1);
        by_hand reading(read_some(*server));
        assert_pending(reading.poll());
        EXPECT_EQ(writes, 1);
        const auto sent = co_await send(*client, "data");
        EXPECT_TRUE(sent.has_value());
        EXPECT_EQ(assert_ready(reading.poll()), result<std::size_t>(4));
        EXPECT_EQ(writes, 1);
        const auto ended = co_await server->shutdown();
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(writes, 2);
        const auto end = co_await read_some(*client);
        EXPECT_EQ(end, result<std::size_t>(0));
    }(std::move(here), std::move(server_end)));
    auto second = shake_hands(loop, config, server_config);
    ASSERT_TRUE(second.client.has_value());
    EXPECT_TRUE(second.client->was_resumed());
}

// ---- The tickets of a server whose client sends nothing ----

/// Both ends of a connection in memory after a handshake of which the server knows nothing yet, on a paused clock.
struct late_pair {
    int writes = 0;  // of the server
    tls::client_config config;
    std::optional<by_hand<task<eddy::any_result<tls::stream<counted_end>>>>> accepting;
    std::optional<tls_stream> client;
    std::optional<tls::stream<counted_end>> server;

    explicit late_pair(const tls_world& world) : config(*world.client().build()) {
        auto [here, there] = eddy::io::duplex(64 * 1024);
        accepting.emplace(tls::accept(counted_end(std::move(there), writes), *world.server().build()));
        by_hand connecting(tls::connect(std::move(here), config, "localhost"));
        assert_pending(connecting.poll());
        assert_pending(accepting->poll());
        client.emplace(assert_ready(connecting.poll()).value());
    }
    void accept() { server.emplace(assert_ready(accepting->poll()).value()); }
};

TEST_F(Tls, ServerSendsItsTicketsToAClientThatSendsNothing) {
    eddy::test::run_paused([this]() -> task<void> {
        late_pair pair(world);
        pair.accept();
        co_await eddy::test::advance(1h);  // the time begins with the first read that waits
        by_hand reading(read_some(*pair.server));
        assert_pending(reading.poll());
        co_await eddy::test::advance(99ms);
        EXPECT_FALSE(reading.is_woken());
        assert_pending(reading.poll());
        EXPECT_EQ(pair.writes, 1);  // the server's part of the handshake
        co_await eddy::test::advance(1ms);
        EXPECT_TRUE(reading.is_woken());
        assert_pending(reading.poll());
        EXPECT_EQ(pair.writes, 2);
        by_hand listening(read_some(*pair.client));
        assert_pending(listening.poll());  // takes the tickets
        co_await eddy::test::advance(1h);
        EXPECT_FALSE(reading.is_woken());
        const auto sent = co_await send(*pair.client, "data");
        EXPECT_TRUE(sent.has_value());
        EXPECT_EQ(assert_ready(reading.poll()), result<std::size_t>(4));
        EXPECT_EQ(pair.writes, 2);
    });
}

TEST_F(Tls, TicketsForASilentClientResumeItsSession) {
    const auto config = *world.client().build();
    const auto server_config = *world.server().build();
    eddy::test::run_paused([&]() -> task<void> {
        auto [here, there] = eddy::io::duplex(64 * 1024);
        auto both = eddy::join(tls::connect(std::move(here), config, "localhost"),
                               tls::accept(std::move(there), server_config));
        auto [client, server] = co_await both;
        auto waits =
            eddy::join(eddy::time::timeout(1s, read_some(*client)), eddy::time::timeout(1s, read_some(*server)));
        static_cast<void>(co_await waits);
    });
    auto second = shake_hands(loop, config, server_config);
    ASSERT_TRUE(second.client.has_value());
    EXPECT_TRUE(second.client->was_resumed());
}

TEST_F(Tls, TicketsWaitForTheAnswerToAClientThatSends) {
    enum class begins { before_the_server_is_ready, before_the_read, during_the_read };
    for (const auto when : {begins::before_the_server_is_ready, begins::before_the_read, begins::during_the_read}) {
        eddy::test::run_paused([&, this]() -> task<void> {
            late_pair pair(world);
            if (when != begins::before_the_server_is_ready) pair.accept();
            std::optional<by_hand<task<result<std::size_t>>>> reading;
            if (when == begins::during_the_read) {
                reading.emplace(read_some(*pair.server));
                assert_pending(reading->poll());
                co_await eddy::test::advance(99ms);
            }
            const auto sent = co_await send(*pair.client, "data");
            EXPECT_TRUE(sent.has_value());
            if (when == begins::before_the_server_is_ready) pair.accept();
            if (!reading) reading.emplace(read_some(*pair.server));
            EXPECT_EQ(assert_ready(reading->poll()), result<std::size_t>(4));
            by_hand again(read_some(*pair.server));
            assert_pending(again.poll());
            co_await eddy::test::advance(1h);
            EXPECT_FALSE(again.is_woken());
            assert_pending(again.poll());
            EXPECT_EQ(pair.writes, 1);
            const auto answered = co_await send(*pair.server, "answer");
            EXPECT_TRUE(answered.has_value());
            EXPECT_EQ(pair.writes, 2);
        });
    }
}

TEST_F(Tls, AnswerToASilentClientTakesTheTicketsWithIt) {
    eddy::test::run_paused([this]() -> task<void> {
        late_pair pair(world);
        pair.accept();
        by_hand reading(read_some(*pair.server));
        assert_pending(reading.poll());
        co_await eddy::test::advance(50ms);
        const auto greeted = co_await send(*pair.server, "hello");  // the server speaks first
        EXPECT_TRUE(greeted.has_value());
        EXPECT_EQ(pair.writes, 2);
        co_await eddy::test::advance(1h);
        EXPECT_FALSE(reading.is_woken());
        const auto got = co_await receive(*pair.client, 5);
        EXPECT_EQ(got.value_or("nothing"), "hello");
    });
}

TEST_F(Tls, ReadOfAServerNeedsNoTimers) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    ASSERT_TRUE(pair.client && pair.server);
    by_hand reading(read_some(*pair.server));  // on a thread without an event loop
    assert_pending(reading.poll());
}

using tcp_tls = tls::stream<eddy::net::tcp_stream>;

/// Both ends of a TLS connection over TCP.
struct tcp_pair {
    tcp_tls client;
    tcp_tls server;

    tcp_pair(tcp_tls&& one, tcp_tls&& other) : client(std::move(one)), server(std::move(other)) {}
};

task<result<tcp_pair>> connect_by_tcp(tls::client_config client_config, tls::server_config server_config) {
    namespace net = eddy::net;
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await try_(listener.local_addr());
    auto connection = co_await try_(net::tcp_stream::connect(address));
    auto accepted = co_await try_(listener.accept());
    auto handshake = eddy::join(tls::connect(std::move(connection), client_config, "localhost"),
                                tls::accept(std::move(accepted.stream), server_config));
    auto [mine, theirs] = co_await handshake;
    auto client = co_await try_(std::move(mine));
    auto server = co_await try_(std::move(theirs));
    co_return tcp_pair(std::move(client), std::move(server));
}

/// Sends a text and close_notify, and closes the connection without reading anything.
task<result<void>> only_send(tcp_tls client, std::string text) {
    co_await try_(client.write_all(text));
    co_return co_await client.shutdown();
}

template <class S>
task<result<std::string>> read_to_end(S& from) {
    std::string text;
    co_await try_(eddy::io::read_to_string(from, text));
    co_return std::move(text);
}

TEST_F(Tls, DataOfAClientThatOnlySendsArrives) {
    const auto client = *world.client().build();
    const auto server = *world.server().build();
    const std::string text(1'000'000, 'x');
    for (int round = 0; round < 10; ++round) {
        auto pair = loop.run(connect_by_tcp(client, server));
        ASSERT_TRUE(pair.has_value()) << pair.error().message();
        auto [sent, received] =
            loop.run(eddy::join(only_send(std::move(pair->client), text), read_to_end(pair->server)));
        EXPECT_TRUE(sent.has_value()) << sent.error().message();
        ASSERT_TRUE(received.has_value()) << received.error().message();
        EXPECT_EQ(received->size(), text.size());
        EXPECT_TRUE(loop.run(pair->server.shutdown()).has_value());
    }
}

TEST_F(Tls, DataOfAClientThatWasSilentForLongArrives) {
    const std::string text(1'000'000, 'x');
    for (int round = 0; round < 10; ++round) {
        auto pair = loop.run(connect_by_tcp(*world.client().build(), *world.server().build()));
        ASSERT_TRUE(pair.has_value()) << pair.error().message();
        EXPECT_TRUE(loop.run(pair->server.flush()).has_value());  // sends the tickets, which the client does not read
        EXPECT_TRUE(loop.run(pair->client.inner().readable()).has_value());
        auto [sent, received] =
            loop.run(eddy::join(only_send(std::move(pair->client), text), read_to_end(pair->server)));
        EXPECT_TRUE(sent.has_value()) << sent.error().message();
        ASSERT_TRUE(received.has_value()) << received.error().message();
        EXPECT_EQ(received->size(), text.size());
    }
}

TEST_F(Tls, ShutdownLeavesReceivedDataToReads) {
    auto pair = loop.run(connect_by_tcp(*world.client().build(), *world.server().build()));
    ASSERT_TRUE(pair.has_value()) << pair.error().message();
    const auto text = pattern(200'000);
    EXPECT_TRUE(loop.run(send(pair->server, "early")).has_value());  // with the tickets
    EXPECT_TRUE(loop.run(pair->client.shutdown()).has_value());
    auto [sent, received] = loop.run(eddy::join(send(pair->server, text), receive(pair->client, 5 + text.size())));
    EXPECT_TRUE(sent.has_value());
    EXPECT_TRUE(received.value() == "early" + text);
}

/// What fails at a resettable_end.
struct resets {
    bool fail_reads = false;
    bool fail_writes = false;
};

/// One end of a connection in memory, whose reads and writes fail on request.
class resettable_end : public eddy::io::duplex_stream {
public:
    resettable_end(eddy::io::duplex_stream&& end, const resets& by) noexcept
        : duplex_stream(std::move(end)), by_(&by) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        return by_->fail_reads ? reset() : duplex_stream::poll_read(cx, into);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        return by_->fail_writes ? reset() : duplex_stream::poll_write(cx, from);
    }

private:
    static eddy::poll_result<result<std::size_t>> reset() {
        return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::connection_reset));
    }

    const resets* by_;
};

/// A client whose connection holds 1000 bytes, and has bytes to send beyond that.
struct stuck_client {
    static constexpr std::size_t size = 5000;

    resets to_client;
    std::optional<tls::stream<resettable_end>> client;
    std::optional<tls_stream> server;

    stuck_client(eddy::core& loop, const tls_world& certificates) {
        auto [here, there] = eddy::io::duplex(1000);
        auto handshake = eddy::join(
            tls::connect(resettable_end(std::move(here), to_client), *certificates.client().build(), "localhost"),
            tls::accept(std::move(there), *certificates.server().build()));
        auto [mine, theirs] = loop.run(std::move(handshake));
        client.emplace(std::move(mine).value());
        server.emplace(std::move(theirs).value());
        const std::string text(size, 'x');
        EXPECT_EQ(loop.run(client->write(bytes_of(text))).value(), size);
    }
};

TEST_F(Tls, ShutdownReportsAResetAlthoughBytesAreUnsent) {
    stuck_client stuck(loop, world);
    stuck.to_client.fail_reads = true;
    by_hand closing(stuck.client->shutdown());
    EXPECT_EQ(assert_ready(closing.poll()).error(), std::errc::connection_reset);
}

TEST_F(Tls, ShutdownSendsAllBytesAlthoughAReadFails) {
    stuck_client stuck(loop, world);
    {
        by_hand closing(stuck.client->shutdown());
        assert_pending(closing.poll());
    }
    stuck.to_client.fail_reads = true;
    EXPECT_EQ(loop.run(read_some(*stuck.client)).error(), std::errc::connection_reset);
    auto both = eddy::join(stuck.client->shutdown(), read_to_end(*stuck.server));
    const auto [closed, received] = loop.run(std::move(both));
    EXPECT_TRUE(closed.has_value());
    ASSERT_TRUE(received.has_value()) << received.error().message();
    EXPECT_EQ(*received, std::string(stuck_client::size, 'x'));
}

TEST_F(Tls, ShutdownReportsThatAReadCouldNotSend) {
    stuck_client stuck(loop, world);
    by_hand closing(stuck.client->shutdown());
    assert_pending(closing.poll());
    stuck.to_client.fail_writes = true;
    by_hand reading(read_some(*stuck.client));  // sends the rest
    assert_pending(reading.poll());
    EXPECT_EQ(assert_ready(closing.poll()).error(), std::errc::connection_reset);
}

TEST_F(Tls, WriteAllWaitsUntilAllBytesAreSent) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 1000);
    ASSERT_TRUE(pair.client && pair.server);
    const auto write_and_destroy = [](tls_stream client) -> task<result<void>> {
        co_return co_await client.write_all(std::string(10'000, 'x'));
    };
    const auto read_slowly = [](tls_stream& server) -> task<std::size_t> {
        std::size_t all = 0;
        std::array<std::byte, 100> some;
        for (;;) {
            co_await eddy::yield_now();
            const auto count = co_await server.read(some);
            if (!count || *count == 0) co_return all;
            all += *count;
        }
    };
    auto both = eddy::join(write_and_destroy(*std::move(pair.client)), read_slowly(*pair.server));
    const auto [written, received] = loop.run(std::move(both));
    EXPECT_TRUE(written.has_value());
    EXPECT_EQ(received, 10'000u);
}

TEST_F(Tls, ClientThatClosesItsSocketIsTruncationAndNotAReset) {
    for (const bool has_answer : {false, true}) {
        auto pair = loop.run(connect_by_tcp(*world.client().build(), *world.server().build()));
        ASSERT_TRUE(pair.has_value()) << pair.error().message();
        EXPECT_TRUE(loop.run(send(pair->client, "question")).has_value());
        EXPECT_EQ(loop.run(receive(pair->server, 8)).value_or("nothing"), "question");
        if (has_answer) {
            EXPECT_TRUE(loop.run(send(pair->server, "answer")).has_value());
            EXPECT_EQ(loop.run(receive(pair->client, 6)).value_or("nothing"), "answer");
        }
        {
            const auto gone = std::move(pair->client);
        }
        EXPECT_EQ(loop.run(read_some(pair->server)).error(), eddy::errc::tls_truncated);
    }
}

TEST_F(Tls, GracefulCloseWaitsForTheEndOfThePeer) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 1000);
    ASSERT_TRUE(pair.client && pair.server);
    const auto answer = [](tls_stream& server) -> task<result<std::string>> {
        co_await try_(server.write_all(std::string(100'000, 'y')));  // is discarded
        co_return co_await read_to_end(server);
    };
    const auto ask = [](tls_stream client) -> task<result<void>> {
        co_await try_(client.write_all(std::string(500, 'x')));
        co_return co_await eddy::net::close_gracefully(std::move(client), 10s);
    };
    auto serve = [&answer](tls_stream server) -> task<result<std::string>> {
        auto got = co_await answer(server);
        co_await try_(server.shutdown());
        co_return got;
    };
    auto [closed, received] = loop.run(eddy::join(ask(*std::move(pair.client)), serve(*std::move(pair.server))));
    EXPECT_TRUE(closed.has_value()) << closed.error().message();
    EXPECT_EQ(received.value_or("nothing"), std::string(500, 'x'));
}

TEST_F(Tls, GracefulCloseAcceptsAPeerWithoutCloseNotify) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    auto ending = eddy::poll_fn([&](eddy::context& cx) { return pair.server->inner().poll_shutdown(cx); });
    EXPECT_TRUE(loop.run(std::move(ending)).has_value());
    EXPECT_TRUE(loop.run(eddy::net::close_gracefully(*std::move(pair.client), 10s)).has_value());
}

TEST_F(Tls, GracefulCloseIsLimitedInBothDirections) {
    for (const bool peer_reads : {false, true}) {
        auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost", 1000);
        ASSERT_TRUE(pair.client && pair.server);
        loop.run([](tls_stream client, tls_stream& server, bool reads) -> task<void> {
            eddy::test::pause();
            // Without a reader, neither these bytes nor close_notify can be sent.
            const auto count = co_await client.write(bytes_of(std::string(5000, 'x')));
            EXPECT_TRUE(count.has_value());
            const auto start = eddy::time::clock::now();
            auto closing = eddy::net::close_gracefully(std::move(client), 3s);
            const auto read = [&server, reads]() -> task<result<std::string>> {
                if (!reads) co_return "";
                co_return co_await read_to_end(server);
            };
            auto both = eddy::join(std::move(closing), read());
            auto [closed, got] = co_await both;
            EXPECT_EQ(closed.error(), eddy::errc::timed_out);
            EXPECT_EQ(got.value_or("nothing").size(), reads ? 5000U : 0U);
            EXPECT_EQ(eddy::time::clock::now() - start, 3s);
            eddy::test::resume();
        }(*std::move(pair.client), *pair.server, peer_reads));
    }
}

TEST_F(Tls, FramedConnectionIsClosedGracefully) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    ASSERT_TRUE(pair.client && pair.server);
    const auto talk = [](tls_stream client) -> task<result<void>> {
        eddy::codec::framed lines(std::move(client), eddy::codec::lines_codec());
        co_await try_(lines.feed(std::string("first")));
        co_await try_(lines.feed(std::string("second")));
        co_return co_await lines.close_gracefully(10s);
    };
    const auto serve = [](tls_stream server) -> task<result<std::string>> {
        co_await try_(server.write_all(std::string("unread")));
        auto got = co_await read_to_end(server);
        co_await try_(server.shutdown());
        co_return got;
    };
    auto [closed, received] = loop.run(eddy::join(talk(*std::move(pair.client)), serve(*std::move(pair.server))));
    EXPECT_TRUE(closed.has_value()) << closed.error().message();
    EXPECT_EQ(received.value_or("nothing"), "first\nsecond\n");
}

/// Awaits `operation` and returns the text of its misuse; empty if there was none.
template <class F>
task<std::string> misuse_of(F operation) {
    try {
        static_cast<void>(co_await std::move(operation));
    } catch (const eddy::misuse& thrown) {
        co_return thrown.what();
    }
    co_return "";
}

// covers: P142
TEST_F(Tls, SecondTaskInOneDirectionIsMisuse) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    loop.run([](auto& client, auto& server) -> task<void> {
        std::array<char, 5> bytes{};
        std::array<char, 5> others{};
        const auto read = [&]() -> task<bool> {
            const auto done = co_await client.read_exact(std::span(bytes));
            co_return done.has_value();
        };
        auto reads = eddy::spawn(std::ref(read));
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        auto text = co_await misuse_of(client.read(std::span(others)));
        EXPECT_NE(text.find("two tasks read from one TLS stream"), std::string::npos) << text;
        text = co_await misuse_of(eddy::io::read_exact(client, others));
        EXPECT_NE(text.find("two tasks read from one TLS stream"), std::string::npos) << text;
        const std::string much(8 << 20, 'x');  // more than the connection can hold
        const auto write = [&]() -> task<bool> {
            const auto done = co_await client.write_all(much);
            co_return done.has_value();
        };
        auto writes = eddy::spawn(std::ref(write));  // one reader and one writer are legal
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        EXPECT_FALSE(writes.is_finished());
        text = co_await misuse_of(client.write("more"));
        EXPECT_NE(text.find("two tasks write to one TLS stream"), std::string::npos) << text;
        text = co_await misuse_of(client.write_all("more"));
        EXPECT_NE(text.find("two tasks write to one TLS stream"), std::string::npos) << text;
        text = co_await misuse_of(client.flush());
        EXPECT_NE(text.find("two tasks write to one TLS stream"), std::string::npos) << text;
        std::string received(much.size(), ' ');
        const auto got = co_await eddy::io::read_exact(server, received);
        EXPECT_TRUE(got && received == much);
        const auto written = co_await writes;
        EXPECT_TRUE(written.value());
        const auto sent = co_await server.write_all("hello");
        EXPECT_TRUE(sent);
        const auto done = co_await reads;
        EXPECT_TRUE(done.value());
        EXPECT_EQ(std::string_view(bytes.data(), 5), "hello");
    }(*pair.client, *pair.server));
}

// covers: P142
TEST_F(Tls, FlushAfterAWriteIsPartOfIt) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build());
    exchange(pair);
    loop.run([](auto& client, auto& server) -> task<void> {
        // Fills the connection, until bytes are left in the stream.
        std::size_t sent = 0;
        const std::string some(64 * 1024, 'x');
        for (;;) {
            const auto count = co_await support::once(client.write(some));
            if (!count) break;
            sent += count->value();
        }
        const auto flush = [&]() -> task<bool> {
            auto flushing = client.write_all(std::string_view());
            const auto done = co_await std::move(flushing);
            co_return done.has_value();
        };
        auto flushes = eddy::spawn(std::ref(flush));
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        EXPECT_FALSE(flushes.is_finished());
        const auto text = co_await misuse_of(client.write_all("more"));
        EXPECT_NE(text.find("two tasks write to one TLS stream"), std::string::npos) << text;
        std::string received(sent, ' ');
        const auto got = co_await eddy::io::read_exact(server, received);
        EXPECT_TRUE(got);
        const auto flushed = co_await flushes;
        EXPECT_TRUE(flushed.value());
    }(*pair.client, *pair.server));
}

TEST_F(Tls, EndDuringTheHandshakeIsTruncation) {
    auto [here, there] = eddy::io::duplex(64 * 1024);
    by_hand client(tls::connect(std::move(here), *world.client().build(), "localhost"));
    loop.run(eddy::poll_fn([&](eddy::context&) {
        assert_pending(client.poll());
        {
            const auto gone = std::move(there);
        }
        EXPECT_EQ(assert_ready(client.poll()).error(), eddy::errc::tls_truncated);
        return eddy::poll_result<void>::ready();
    }));
}

TEST_F(Tls, HandshakeTimesOutOnBothSides) {
    loop.run([](tls_world& certificates) -> task<void> {
        eddy::test::pause();
        auto [client_end, silent_server] = eddy::io::duplex(64 * 1024);
        const auto client_config = certificates.client().handshake_timeout(3s).build();
        const auto start = eddy::time::clock::now();
        auto client = co_await tls::connect(std::move(client_end), *client_config, "localhost");
        EXPECT_EQ(client.error(), eddy::errc::timed_out);
        EXPECT_EQ(eddy::time::clock::now() - start, 3s);

        auto [server_end, silent_client] = eddy::io::duplex(64 * 1024);
        auto server = co_await tls::accept(std::move(server_end), *certificates.server().build());
        EXPECT_EQ(server.error(), eddy::errc::timed_out);
        EXPECT_EQ(eddy::time::clock::now() - start, 13s);
    }(world));
}

TEST_F(Tls, HandshakeShowsWhatItWaitsFor) {
    loop.run([](tls_world& certificates) -> task<void> {
        const auto config = certificates.server().max_handshakes(1).build();
        auto [server_end, silent_client] = eddy::net::unix_stream::pair().value();
        auto server = eddy::spawn(tls::accept(std::move(server_end), *config));
        co_await eddy::yield_now();
        const std::string text = eddy::dump_tasks();
        EXPECT_TRUE(text.contains("\n      data from descriptor ")) << text;
        EXPECT_TRUE(text.contains("\n        a timer, in ")) << text;
        server.abort();
        static_cast<void>(co_await server);
    }(world));
}

/// Performs a handshake in memory. Returns how long it has taken.
task<eddy::time::duration> time_of_handshake(tls::server_config server_config, tls::client_config client_config) {
    const auto start = eddy::time::clock::now();
    auto [server_end, client_end] = eddy::io::duplex(64 * 1024);
    auto both = eddy::join(tls::accept(std::move(server_end), std::move(server_config)),
                           tls::connect(std::move(client_end), std::move(client_config), "localhost"));
    auto [server, client] = co_await both;
    EXPECT_TRUE(server && client);
    co_return eddy::time::clock::now() - start;
}

TEST_F(Tls, SilentClientsDoNotDelayOtherHandshakes) {
    loop.run([](tls_world& certificates) -> task<void> {
        eddy::test::pause();
        const auto config = certificates.server().max_handshakes(2).build();
        auto [first_end, silent] = eddy::io::duplex(64 * 1024);
        auto [second_end, incomplete] = eddy::io::duplex(64 * 1024);
        (co_await eddy::io::write_all(incomplete, std::string("\x16\x03\x01"))).value();  // then it is silent, too
        auto all = eddy::join(tls::accept(std::move(first_end), *config), tls::accept(std::move(second_end), *config),
                              time_of_handshake(*config, *certificates.client().build()));
        auto [first, second, time] = co_await all;
        EXPECT_EQ(first.error(), eddy::errc::timed_out);
        EXPECT_EQ(second.error(), eddy::errc::timed_out);
        EXPECT_EQ(time, 0s);
    }(world));
}

/// A connection that receives nothing, and calls a function for each read.
class watched_end {
public:
    explicit watched_end(std::function<void()> on_read) : on_read_(std::move(on_read)) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte>) {
        on_read_();
        return eddy::not_ready;
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    std::function<void()> on_read_;
};

TEST_F(Tls, HandshakesBeyondTheLimitWaitWhileOthersCompute) {
    const auto config = world.server().max_handshakes(1).build();
    loop.run(eddy::poll_fn([&](eddy::context&) {
        int reads = 0;
        by_hand second(tls::accept(watched_end([&] { ++reads; }), *config));
        by_hand first(tls::accept(watched_end([&] {
                                      assert_pending(second.poll());
                                      EXPECT_EQ(reads, 0);
                                  }),
                                  *config));
        assert_pending(first.poll());
        EXPECT_EQ(second.wakes(), 1U);
        assert_pending(second.poll());
        EXPECT_EQ(reads, 1);
        return eddy::poll_result<void>::ready();
    }));
}

TEST_F(Tls, PlainTextIsRefusedWithAHint) {
    auto [here, there] = eddy::io::duplex(64 * 1024);
    auto config = *world.client().build();
    auto answer = [](eddy::io::duplex_stream to) -> task<void> {
        static_cast<void>(co_await eddy::io::write_all(to, "HTTP/1.1 400 Bad Request\r\n\r\n"));
        std::array<std::byte, 1000> into{};
        for (;;) {
            const auto count = co_await eddy::io::read(to, into);
            if (!count || *count == 0) co_return;
        }
    };
    auto joined = loop.run(eddy::join(tls::connect(std::move(here), config, "localhost"), answer(std::move(there))));
    const auto& client = joined.first;
    ASSERT_FALSE(client.has_value());
    EXPECT_EQ(client.error().code().category(), tls::openssl_category());
    EXPECT_NE(client.error().message().find("does the peer speak TLS"), std::string::npos) << client.error().message();
}

// ---- Certificates ----

TEST_F(Tls, CertificateForAnotherHostIsRefused) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "example.org");
    EXPECT_EQ(pair.client.error(), std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::certificate_category()));
    EXPECT_EQ(pair.client.error().message(), "the certificate was refused: hostname mismatch");
}

TEST_F(Tls, FinalPeriodOfHostIsNotPartOfItsName) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().build(), "localhost.");
    exchange(pair);
    EXPECT_EQ(pair.server->server_name(), "localhost");
}

TEST_F(Tls, CertificateForAnIpAddressIsChecked) {
    auto good = shake_hands(loop, *world.client().build(), *world.server().build(), "127.0.0.1");
    EXPECT_TRUE(good.client.has_value());
    EXPECT_EQ(good.server->server_name(), "");  // addresses are not sent
    auto bad = shake_hands(loop, *world.client().build(), *world.server().build(), "127.0.0.2");
    EXPECT_EQ(bad.client.error(), std::error_code(X509_V_ERR_IP_ADDRESS_MISMATCH, tls::certificate_category()));
}

TEST_F(Tls, CertificateOfAnUnknownAuthorityIsRefused) {
    const support::certificate_authority other("another authority");
    auto pair = shake_hands(loop, *tls::client_builder().trust_pem(other.pem()).build(), *world.server().build());
    EXPECT_EQ(pair.client.error(),
              std::error_code(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, tls::certificate_category()));
    // The server is told by an alert, after the client has ended the handshake.
    if (pair.server) {
        EXPECT_EQ(loop.run(read_some(*pair.server)).error().category(), tls::openssl_category());
    } else {
        EXPECT_EQ(pair.server.error().category(), tls::openssl_category());
    }
}

TEST_F(Tls, SystemDoesNotTrustTestAuthority) {
    auto pair = shake_hands(loop, *tls::client_config::make(), *world.server().build());
    EXPECT_EQ(pair.client.error().category(), tls::certificate_category());
}

TEST_F(Tls, ExpiredCertificateIsRefused) {
    support::certificate_authority::options expired;
    expired.is_expired = true;
    const auto issued = world.authority().issue({"DNS:localhost"}, expired);
    auto pair = shake_hands(loop, *world.client().build(), *tls::server_config::make(world.identity_of(issued)));
    EXPECT_EQ(pair.client.error(), std::error_code(X509_V_ERR_CERT_HAS_EXPIRED, tls::certificate_category()));
}

TEST_F(Tls, AnyCertificateIsAcceptedOnlyOnRequest) {
    const auto any = *tls::client_builder().dangerous_accept_any_certificate().build();
    auto pair = shake_hands(loop, any, *world.server().build(), "example.org");
    exchange(pair);
    EXPECT_EQ(pair.client->peer_certificate(), world.issued().pem);
}

TEST_F(Tls, HandshakeTimeoutMayBeUnlimited) {
    const auto endless = std::chrono::nanoseconds::max();
    auto pair = shake_hands(loop, *world.client().handshake_timeout(endless).build(),
                            *world.server().handshake_timeout(endless).build());
    exchange(pair);
}

TEST_F(Tls, EmptyHostIsRefused) {
    auto pair = shake_hands(loop, *world.client().build(), *world.server().handshake_timeout(1ms).build(), "");
    EXPECT_EQ(pair.client.error(), std::errc::invalid_argument);
}

TEST_F(Tls, HostWithAnEmptyLabelIsRefused) {
    // OpenSSL reads ".example.net" as "any host below example.net", and a name only up to a NUL.
    const auto wild = world.authority().issue({"DNS:*.example.net", "DNS:www.example.net"});
    const auto server = *tls::server_builder(world.identity_of(wild)).handshake_timeout(1ms).build();
    using namespace std::string_literals;
    for (const auto& host : {".example.net"s, "..example.net"s, "www..example.net"s, "www.example.net.."s, "."s, ".."s,
                             "www.example.net\0.example.org"s}) {
        auto pair = shake_hands(loop, *world.client().build(), server, host);
        EXPECT_EQ(pair.client.error(), std::errc::invalid_argument) << host;
    }
}

TEST_F(Tls, CommonNameIsNotAHostName) {
    support::certificate_authority::options named;
    named.common_name = "localhost";
    const auto issued = world.authority().issue({}, named);
    auto pair = shake_hands(loop, *world.client().build(), *tls::server_config::make(world.identity_of(issued)));
    EXPECT_EQ(pair.client.error(), std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::certificate_category()));
}

TEST_F(Tls, ForgedSignatureIsAnErrorOfTheCertificate) {
    const support::certificate_authority twin;  // the same name, another key
    const auto forged = twin.issue({"DNS:localhost"});
    auto pair = shake_hands(loop, *world.client().build(), *tls::server_config::make(world.identity_of(forged)));
    EXPECT_EQ(pair.client.error(), std::error_code(X509_V_ERR_CERT_SIGNATURE_FAILURE, tls::certificate_category()));
}

TEST_F(Tls, ServerRequiresClientCertificate) {
    const support::certificate_authority clients("authority of clients");
    const auto mine = clients.issue({"DNS:client"});
    const auto server = *world.server().require_client_certificate(clients.pem()).build();
    auto known = shake_hands(loop, *world.client().identity(world.identity_of(mine)).build(), server);
    exchange(known);
    EXPECT_EQ(known.server->peer_certificate(), mine.pem);

    auto anonymous = shake_hands(loop, *world.client().build(), server);
    EXPECT_EQ(anonymous.server.error().message(), "peer did not return a certificate");

    const auto stranger = world.authority().issue({"DNS:client"});
    auto unknown = shake_hands(loop, *world.client().identity(world.identity_of(stranger)).build(), server);
    EXPECT_EQ(unknown.server.error().category(), tls::certificate_category());
    // With TLS 1.3 the client's handshake has ended before the server looks at the certificate.
    ASSERT_TRUE(unknown.client.has_value());
    EXPECT_EQ(loop.run(read_some(*unknown.client)).error().category(), tls::openssl_category());
}

TEST_F(Tls, WriteReturnsTheAlertThatTheConnectionEndedWith) {
    const support::certificate_authority clients("authority of clients");
    const auto server = *world.server().require_client_certificate(clients.pem()).build();
    auto anonymous = shake_hands(loop, *world.client().build(), server);
    ASSERT_TRUE(anonymous.client.has_value());
    ASSERT_FALSE(anonymous.server.has_value());  // the server has sent an alert and closed the connection
    const auto error = loop.run(write_until_error(*anonymous.client));
    EXPECT_EQ(error.message(), "tlsv13 alert certificate required");
    EXPECT_EQ(loop.run(anonymous.client->write(bytes_of("x"))).error(), error);
    EXPECT_EQ(loop.run(read_some(*anonymous.client)).error(), error);
}

TEST_F(Tls, ShutdownReturnsTheAlertThatTheConnectionEndedWith) {
    const support::certificate_authority clients("authority of clients");
    const auto server = *world.server().require_client_certificate(clients.pem()).build();
    auto anonymous = shake_hands(loop, *world.client().build(), server);
    ASSERT_TRUE(anonymous.client.has_value());
    ASSERT_FALSE(anonymous.server.has_value());  // the server has sent an alert and closed the connection
    const auto error = loop.run(anonymous.client->shutdown()).error();
    EXPECT_EQ(error.message(), "tlsv13 alert certificate required");
    EXPECT_EQ(loop.run(read_some(*anonymous.client)).error(), error);
}

TEST_F(Tls, WriteReturnsAlertThatDriverHasNotReported) {
    namespace net = eddy::net;
    const support::certificate_authority clients("authority of clients");
    const auto server = *world.server().require_client_certificate(clients.pem()).build();
    const auto client = *world.client().build();
    const auto ended = loop.run([](auto client_config, auto server_config) -> task<result<std::error_code>> {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        const auto address = co_await try_(listener.local_addr());
        auto connection = co_await try_(net::tcp_stream::connect(address));
        auto accepted = co_await try_(listener.accept());
        auto handshake = eddy::join(tls::connect(std::move(connection), client_config, "localhost"),
                                    tls::accept(std::move(accepted.stream), server_config));
        auto [mine, refused] = co_await handshake;
        EXPECT_FALSE(refused.has_value());
        auto peer = co_await try_(std::move(mine));
        for (;;) {  // without yielding: a write fails before the driver reports that there is something to read
            const auto outcome = co_await send(peer, "x");
            if (!outcome) co_return outcome.error();
        }
    }(client, server));
    ASSERT_TRUE(ended.has_value());
    EXPECT_EQ(ended->message(), "tlsv13 alert certificate required");
}

TEST_F(Tls, HostNameOfClientSelectsIdentity) {
    const auto other = world.authority().issue({"DNS:example.org"});
    const auto wild = world.authority().issue({"DNS:*.example.net"});
    const auto server = *world.server()
                             .identity_for("Example.org", world.identity_of(other))
                             .identity_for("*.example.net", world.identity_of(wild))
                             .build();
    const auto client = *world.client().build();
    auto usual = shake_hands(loop, client, server);
    EXPECT_EQ(usual.client->peer_certificate(), world.issued().pem);
    EXPECT_EQ(usual.server->server_name(), "localhost");
    auto named = shake_hands(loop, client, server, "example.org");
    EXPECT_EQ(named.client->peer_certificate(), other.pem);
    EXPECT_EQ(named.server->server_name(), "example.org");
    auto matched = shake_hands(loop, client, server, "www.example.net");
    EXPECT_EQ(matched.client->peer_certificate(), wild.pem);
    auto too_deep = shake_hands(loop, client, server, "a.b.example.net");
    EXPECT_FALSE(too_deep.client.has_value());
}

TEST_F(Tls, ReplacedIdentityIsUsedInNewHandshakes) {
    const auto server = *world.server().build();
    const auto client = *world.client().build();
    auto before = shake_hands(loop, client, server);
    const auto renewed = world.authority().issue({"DNS:localhost"});
    EXPECT_TRUE(server.replace(world.identity_of(renewed)).has_value());
    exchange(before);
    auto fresh = shake_hands(loop, *world.client().build(), server);
    exchange(fresh);
    EXPECT_EQ(before.client->peer_certificate(), world.issued().pem);
    EXPECT_EQ(fresh.client->peer_certificate(), renewed.pem);
}

// ---- Protocols and sessions ----

TEST_F(Tls, ServerChoosesTheProtocol) {
    const auto server = *world.server().alpn({"h2", "http/1.1"}).build();
    auto both = shake_hands(loop, *world.client().alpn({"http/1.1", "h2"}).build(), server);
    EXPECT_EQ(both.client->alpn(), "h2");
    EXPECT_EQ(both.server->alpn(), "h2");
    auto old = shake_hands(loop, *world.client().alpn({"http/1.1"}).build(), server);
    EXPECT_EQ(old.client->alpn(), "http/1.1");
    auto none = shake_hands(loop, *world.client().build(), server);
    EXPECT_EQ(none.client->alpn(), "");
    auto other = shake_hands(loop, *world.client().alpn({"smtp"}).build(), server);
    EXPECT_FALSE(other.client.has_value());
    EXPECT_EQ(other.server.error().message(), "no application protocol");
}

TEST_F(Tls, OldVersionIsRefusedOnRequest) {
    const auto server = *world.server().min_version(tls::version::tls_1_3).build();
    auto pair = shake_hands(loop, *world.client().build(), server);
    EXPECT_EQ(pair.client->version(), tls::version::tls_1_3);
}

TEST_F(Tls, SecondConnectionResumesTheSession) {
    const auto server = *world.server().build();
    const auto client = *world.client().build();
    auto first = shake_hands(loop, client, server);
    exchange(first);  // the server sends its tickets after the handshake
    EXPECT_FALSE(first.client->was_resumed());
    auto second = shake_hands(loop, client, server);
    exchange(second);
    EXPECT_TRUE(second.client->was_resumed());
    EXPECT_TRUE(second.server->was_resumed());
    // Tickets survive the renewal of the certificate.
    EXPECT_TRUE(server.replace(world.identity_of(world.authority().issue({"DNS:localhost"}))).has_value());
    auto third = shake_hands(loop, client, server);
    exchange(third);
    EXPECT_TRUE(third.client->was_resumed());
}

TEST_F(Tls, AnotherServerWithTheTicketKeysResumesTheSession) {
    const auto client = *world.client().build();
    const auto first_server = *world.server().build();
    const auto keys = first_server.ticket_keys();
    auto first = shake_hands(loop, client, first_server);
    exchange(first);
    const auto second_server = *world.server().ticket_keys(keys).build();
    EXPECT_EQ(second_server.ticket_keys(), keys);
    auto second = shake_hands(loop, client, second_server);
    exchange(second);
    EXPECT_TRUE(second.client->was_resumed());
    EXPECT_TRUE(second.server->was_resumed());
    const auto stranger = *world.server().ticket_keys("").build();
    EXPECT_NE(stranger.ticket_keys(), keys);
    auto third = shake_hands(loop, client, stranger);
    exchange(third);
    EXPECT_FALSE(third.client->was_resumed());
    EXPECT_EQ(world.server().ticket_keys(keys + "x").build().error(), std::errc::invalid_argument);
}

TEST_F(Tls, SessionOfADroppedConnectionIsResumed) {
    const auto server = *world.server().build();
    const auto client = *world.client().build();
    for (const bool is_resumed : {false, true, true, true}) {
        auto pair = shake_hands(loop, client, server);
        exchange(pair);  // the client's stream is destroyed without shutdown()
        EXPECT_EQ(pair.client->was_resumed(), is_resumed);
    }
}

TEST_F(Tls, SessionsAreNotSharedBetweenHosts) {
    const auto server = *world.server().build();
    const auto client = *world.client().build();
    auto first = shake_hands(loop, client, server, "localhost");
    exchange(first);
    auto second = shake_hands(loop, client, server, "127.0.0.1");
    exchange(second);
    EXPECT_FALSE(second.client->was_resumed());
}

TEST_F(Tls, KeyLogHasTheSecrets) {
    const support::temp_dir folder;
    const std::string file = folder / "keys";
    auto pair = shake_hands(loop, *world.client().dangerous_key_log(file).build(), *world.server().build());
    exchange(pair);
    std::ifstream log(file);
    const std::string text{std::istreambuf_iterator<char>(log), {}};
    EXPECT_NE(text.find("CLIENT_TRAFFIC_SECRET_0 "), std::string::npos);
}

}  // namespace
