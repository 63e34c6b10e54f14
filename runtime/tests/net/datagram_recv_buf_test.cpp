// SPDX-License-Identifier: MIT
// covers: I20.5.14
// runs: asan
#include <eddy/bytes.hpp>
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <support/net.hpp>

// recv_buf(), recv_buf_from() and their try_ variants.

namespace {

using eddy::net::udp_socket;
using eddy::net::unix_datagram;
using support::bytes_of;
using support::text_of;
using support::within;

const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);

/// Two UDP sockets. The first one is connected to the second.
struct udp_pair {
    eddy::core core;
    udp_socket from = udp_socket::bind(any, core.handle()).value();
    udp_socket to = udp_socket::bind(any, core.handle()).value();

    udp_pair() { within(core, from.connect(to.local_addr().value())).value(); }
    void send(std::string_view text) { EXPECT_EQ(within(core, from.send(bytes_of(text))).value(), text.size()); }
};

// covers: P058
TEST(DatagramRecvBuf, AppendsWholeDatagramsToAString) {
    udp_pair pair;
    std::string into = "before ";
    pair.send("one");
    EXPECT_EQ(within(pair.core, pair.to.recv_buf(into)).value(), 3u);
    EXPECT_EQ(into, "before one");
    const std::string large(20'000, 'l');
    pair.send(large);
    const auto info = within(pair.core, pair.to.recv_buf_from(into)).value();
    EXPECT_EQ(info.size, large.size());
    EXPECT_EQ(info.from, pair.from.local_addr().value());
    EXPECT_FALSE(info.is_truncated);
    EXPECT_EQ(into, "before one" + large);
}

// covers: P058
TEST(DatagramRecvBuf, GrowsBytesMutAndVectors) {
    udp_pair pair;
    eddy::bytes_mut bytes;
    std::vector<std::byte> vector;
    for (const char* text : {"one", "", "three"}) {
        pair.send(text);
        pair.send(text);
        EXPECT_EQ(within(pair.core, pair.to.recv_buf(bytes)).value(), std::string_view(text).size());
        EXPECT_EQ(within(pair.core, pair.to.recv_buf(vector)).value(), std::string_view(text).size());
    }
    EXPECT_EQ(text_of(bytes.chunk()), "onethree");
    EXPECT_EQ(text_of(vector), "onethree");
}

// covers: P058
TEST(DatagramRecvBuf, WaitsForADatagram) {
    udp_pair pair;
    std::string into = "before ";
    auto received = pair.core.run([](udp_pair& all, std::string& text) -> eddy::task<std::size_t> {
        auto first = co_await eddy::select_biased(all.to.recv_buf(text), eddy::yield_now());
        EXPECT_EQ(first.index(), 1u);
        EXPECT_EQ(text, "before ");
        auto both = co_await eddy::join(all.to.recv_buf(text), all.from.send(bytes_of("later")));
        auto& [got, sent] = both;
        EXPECT_TRUE(sent.has_value());
        co_return got.value();
    }(pair, into));
    EXPECT_EQ(received, 5u);
    EXPECT_EQ(into, "before later");
}

// covers: P058
TEST(DatagramRecvBuf, TryFormsNeverWait) {
    udp_pair pair;
    std::string into;
    EXPECT_EQ(pair.to.try_recv_buf(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(pair.to.try_recv_buf_from(into).error(), std::errc::operation_would_block);
    pair.send("one");
    pair.send("four");
    EXPECT_EQ(pair.to.try_recv_buf(into).value(), 3u);
    EXPECT_EQ(pair.to.try_recv_buf_from(into).value().size, 4u);
    EXPECT_EQ(into, "onefour");
}

// covers: P058
TEST(DatagramRecvBuf, ConnectedSocketReportsARefusalOnce) {
    eddy::core core;
    auto socket = udp_socket::bind(any, core.handle()).value();
    {
        auto gone = udp_socket::bind(any, core.handle()).value();
        within(core, socket.connect(gone.local_addr().value())).value();
    }
    within(core, socket.send(bytes_of("x"))).value();
    std::string into = "kept";
    EXPECT_EQ(within(core, socket.recv_buf(into)).error(), std::errc::connection_refused);
    EXPECT_EQ(socket.try_recv_buf(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(into, "kept");
}

// covers: P058
TEST(DatagramRecvBuf, UnixDatagramsAreReceivedWhole) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    const std::string large(100'000, 'l');
    within(core, one.send(bytes_of(large))).value();
    std::string into;
    const auto info = within(core, other.recv_buf_from(into)).value();
    EXPECT_EQ(info.size, large.size());
    EXPECT_TRUE(info.from.is_unnamed());
    EXPECT_EQ(into, large);
}

}  // namespace
