// SPDX-License-Identifier: MIT
// covers: B16
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <support/net.hpp>
#include <support/poll_once.hpp>

// recv_many and send_many of udp_socket.

#include "support/emulated.hpp"

namespace {

using eddy::net::incoming_datagram;
using eddy::net::ip_addr;
using eddy::net::outgoing_datagram;
using eddy::net::socket_addr;
using eddy::net::udp_socket;
using eddy::test::by_hand;
using support::bytes_of;
using support::text_of;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

udp_socket bound(const eddy::core& core) {
    auto made = udp_socket::bind(any, core.handle()).value();
    made.set_recv_buffer_size(1 << 20).value();
    return made;
}
socket_addr addr_of(const udp_socket& socket) { return socket.local_addr().value(); }

/// Buffers for a batch.
struct batch {
    std::vector<std::vector<std::byte>> buffers;
    std::vector<incoming_datagram> all;

    explicit batch(std::size_t count, std::size_t size = 2048) : buffers(count, std::vector<std::byte>(size)) {
        for (auto& each : buffers) all.emplace_back(each);
    }
};

/// Sends all of `texts`, in as many calls as necessary. Returns the number of calls.
eddy::task<int> send_all(udp_socket& socket, std::vector<std::string> texts, std::optional<socket_addr> to) {
    std::vector<outgoing_datagram> all;
    all.reserve(texts.size());
    for (const auto& each : texts) {
        if (to) {
            all.emplace_back(bytes_of(each), *to);
        } else {
            all.emplace_back(bytes_of(each));
        }
    }
    int calls = 0;
    for (std::span<const outgoing_datagram> left(all); !left.empty(); ++calls) {
        const auto sent = co_await socket.send_many(left);
        if (!sent) co_return -1;
        left = left.subspan(*sent);
    }
    co_return calls;
}

std::vector<std::string> receive_all(eddy::core& core, udp_socket& socket, std::size_t wanted) {
    std::vector<std::string> texts;
    batch into(100, 65'536);
    while (texts.size() < wanted) {
        const auto count = within(core, socket.recv_many(into.all)).value();
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_FALSE(into.all[i].is_truncated);
            texts.push_back(text_of(into.all[i].bytes()));
        }
    }
    return texts;
}

// covers: P058
TEST(UdpBatch, BatchArrivesAsSent) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user does not translate the size in UDP_SEGMENT";
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    // Runs of equal sizes, runs that end with a smaller datagram, empty datagrams, and large ones.
    const std::vector<std::string> texts{"aaaa",
                                         "bbbb",
                                         "cccc",
                                         "dd",
                                         "ee",
                                         "ffffff",
                                         "",
                                         "",
                                         "g",
                                         "hhh",
                                         "iii",
                                         "jjj",
                                         "kkk",
                                         "lll",
                                         std::string(20'000, 'x'),
                                         std::string(20'000, 'y'),
                                         std::string(20'000, 'z'),
                                         std::string(20'000, '0')};
    EXPECT_EQ(within(core, send_all(one, texts, addr_of(other))), 1);
    EXPECT_EQ(receive_all(core, other, texts.size()), texts);
    within(core, one.connect(addr_of(other))).value();
    EXPECT_EQ(within(core, send_all(one, texts, std::nullopt)), 1);
    EXPECT_EQ(receive_all(core, other, texts.size()), texts);
}

TEST(UdpBatch, OneCallReceivesAtMost64Datagrams) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user does not translate the size in UDP_SEGMENT";
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    std::vector<std::string> texts;
    texts.reserve(150);
    for (int i = 0; i < 150; ++i) texts.push_back(std::to_string(1000 + i));
    EXPECT_EQ(within(core, send_all(one, texts, addr_of(other))), 3);
    batch into(100);
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 64u);
    EXPECT_EQ(text_of(into.all[63].bytes()), "1063");
    EXPECT_EQ(into.all[63].from, addr_of(one));
    EXPECT_EQ(other.try_recv_many(std::span(into.all).first(10)).value(), 10u);
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 64u);
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 12u) << "only the remaining datagrams";
    EXPECT_EQ(other.try_recv_many(into.all).error(), std::errc::operation_would_block);
}

TEST(UdpBatch, RecvManyWaitsForFirstDatagram) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    batch into(10);
    const auto later = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();
        static_cast<void>(co_await one.send_to(bytes_of("first"), addr_of(other)));
    };
    auto both = eddy::join(other.recv_many(into.all), later());
    EXPECT_EQ(within(core, std::move(both)).first.value(), 1u);
    EXPECT_EQ(text_of(into.all[0].bytes()), "first");
}

/// Sends one datagram for each character.
void send_each(udp_socket& socket, std::string_view characters, const socket_addr& to) {
    for (const char& each : characters) socket.try_send_to(bytes_of({&each, 1}), to).value();
}

/// Waits for a datagram without success. Afterwards the socket is registered.
eddy::task<void> begin_to_receive(udp_socket& socket) {
    const auto came = co_await support::once(socket.readable());
    EXPECT_FALSE(came.has_value());
}

TEST(UdpBatch, ShortBatchClearsReadiness) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    batch into(3);
    within(core, begin_to_receive(other));
    send_each(one, "abc", addr_of(other));
    EXPECT_EQ(within(core, other.recv_many(into.all)), 3u);
    by_hand after_full{other.readable()};
    EXPECT_TRUE(after_full.poll().is_ready()) << "there may be more";
    EXPECT_EQ(other.try_recv_many(into.all).error(), std::errc::operation_would_block);
    send_each(one, "de", addr_of(other));
    EXPECT_EQ(within(core, other.recv_many(into.all)), 2u);
    by_hand after_short{other.readable()};
    EXPECT_FALSE(after_short.poll().is_ready()) << "known without another call";
    send_each(one, "f", addr_of(other));
    EXPECT_EQ(within(core, other.recv_many(into.all)), 1u);
    EXPECT_TRUE(after_short.is_woken());
}

TEST(UdpBatch, ErrorAfterShortBatchIsReported) {
    eddy::core core;
    auto one = bound(core);
    auto other = std::optional(bound(core));
    batch into(4);
    within(core, one.connect(addr_of(*other))).value();
    for (int i = 0; i < 2; ++i) {  // before and after the registration
        other->try_send_to(bytes_of("x"), addr_of(one)).value();
        EXPECT_EQ(within(core, one.recv_many(into.all)).value(), 1u);
        within(core, begin_to_receive(one));
    }
    other.reset();
    within(core, one.send(bytes_of("x"))).value();
    EXPECT_EQ(within(core, one.recv_many(into.all)).error(), std::errc::connection_refused);
    within(core, one.send(bytes_of("x"))).value();
    EXPECT_EQ(within(core, one.recv_many(into.all)).error(), std::errc::connection_refused);
}

TEST(UdpBatch, ErrorOfLaterDatagramIsReportedByNextCall) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user checks all buffers before it calls the kernel";
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    within(core, begin_to_receive(other));
    const std::size_t page = 4096;
    void* const forbidden = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(forbidden, MAP_FAILED);
    batch into(4);
    // SAFETY: the page stays mapped until the end of this test. Only the kernel tries to write to it.
    into.all[1] = incoming_datagram({static_cast<std::byte*>(forbidden), page});
    send_each(one, "ab", addr_of(other));
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 1u);
    send_each(one, "c", addr_of(other));
    EXPECT_EQ(within(core, other.recv_many(into.all)).error(), std::errc::bad_address);
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 1u);
    EXPECT_EQ(text_of(into.all[0].bytes()), "c");
    ::munmap(forbidden, page);
}

TEST(UdpBatch, EachDatagramHasOwnAddress) {
    eddy::core core;
    std::vector<udp_socket> sockets;
    sockets.reserve(4);
    for (int i = 0; i < 4; ++i) sockets.push_back(bound(core));
    std::vector<outgoing_datagram> all;
    all.reserve(8);
    for (int i = 0; i < 8; ++i) all.emplace_back(bytes_of("same size"), addr_of(sockets[1 + i % 3]));
    EXPECT_EQ(sockets[0].try_send_many(all).value(), 8u);
    batch into(8);
    EXPECT_EQ(within(core, sockets[1].recv_many(into.all)).value(), 3u);
    EXPECT_EQ(within(core, sockets[2].recv_many(into.all)).value(), 3u);
    EXPECT_EQ(within(core, sockets[3].recv_many(into.all)).value(), 2u);
    for (int i = 1; i < 4; ++i) sockets[i].try_send_to(bytes_of("back"), addr_of(sockets[0])).value();
    EXPECT_EQ(within(core, sockets[0].recv_many(into.all)).value(), 3u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(into.all[i].from, addr_of(sockets[i + 1]));
}

TEST(UdpBatch, DatagramLargerThanBufferIsTruncated) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user does not translate the size in UDP_SEGMENT";
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    batch into(3, 4);
    EXPECT_EQ(within(core, send_all(one, {"123", "12345", "1234"}, addr_of(other))), 1);
    EXPECT_EQ(within(core, other.recv_many(into.all)).value(), 3u);
    EXPECT_FALSE(into.all[0].is_truncated);
    EXPECT_TRUE(into.all[1].is_truncated);
    EXPECT_EQ(text_of(into.all[1].bytes()), "1234");
    EXPECT_FALSE(into.all[2].is_truncated);
}

TEST(UdpBatch, EmptyBatchDoesNothing) {
    eddy::core core;
    auto one = bound(core);
    EXPECT_EQ(within(core, one.recv_many({})).value(), 0u);
    EXPECT_EQ(within(core, one.send_many({})).value(), 0u);
    EXPECT_EQ(one.try_recv_many({}).value(), 0u);
    EXPECT_EQ(one.try_send_many({}).value(), 0u);
}

TEST(UdpBatch, SendManyReportsOnlyErrorOfFirstDatagram) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    const std::string large(70'000, 'x');
    std::vector<outgoing_datagram> all;
    all.emplace_back(bytes_of("good"), addr_of(other));
    all.emplace_back(bytes_of(large), addr_of(other));
    EXPECT_EQ(within(core, one.send_many(all)).value(), 1u);
    EXPECT_EQ(within(core, one.send_many(std::span(all).subspan(1))).error(), std::errc::message_size);
}

#if defined(__linux__) || defined(_WIN32)
TEST(UdpBatch, DatagramsAreSentSinglyWithoutSegmentation) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    // Without checksums, the kernel refuses segmentation.
    const int on = 1;
    ASSERT_EQ(::setsockopt(one.native_handle(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    const std::vector<std::string> texts(20, "hello");
    EXPECT_EQ(within(core, send_all(one, texts, addr_of(other))), 1);
    EXPECT_EQ(receive_all(core, other, texts.size()), texts);
}

#endif

TEST(UdpBatch, ClosedPeerIsReported) {
    eddy::core core;
    auto one = bound(core);
    within(core, one.connect(addr_of(bound(core)))).value();
    within(core, one.send(bytes_of("x"))).value();
    batch into(4);
    EXPECT_EQ(within(core, one.recv_many(into.all)).error(), std::errc::connection_refused);
    std::vector<outgoing_datagram> all(4, outgoing_datagram(bytes_of("x")));
    EXPECT_TRUE(within(core, one.send_many(all)));
    EXPECT_EQ(within(core, one.send_many(all)).error(), std::errc::connection_refused);
}

}  // namespace
