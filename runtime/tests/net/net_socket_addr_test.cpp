// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/unix_addr.hpp>

#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>

#include <eddy/error.hpp>

#include "support/stress.hpp"

namespace {

using eddy::net::ip_addr;
using eddy::net::ipv4_addr;
using eddy::net::ipv6_addr;
using eddy::net::socket_addr;

ipv6_addr v6(const ipv6_addr::segments_type& segments) { return ipv6_addr(segments); }

template <class Addr>
void expect_bad(std::string_view text) {
    const auto parsed = Addr::parse(text);
    ASSERT_FALSE(parsed) << '"' << text << "\" was read as " << parsed->to_string();
    EXPECT_EQ(parsed.error(), eddy::errc::bad_address) << text;
    EXPECT_EQ(parsed.error(), std::errc::invalid_argument) << text;
}

/// Parses `text`, formats the result, and parses it again.
template <class Addr>
void expect_round_trip(std::string_view text, std::string_view canonical) {
    const auto parsed = Addr::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), canonical);
    EXPECT_EQ(Addr::parse(parsed->to_string()), *parsed) << text;
}

struct text_and_v6 {
    std::string_view text;
    ipv6_addr::segments_type segments;
};

// ---- Parsing ----

TEST(SocketAddr, ReadsIpv4Addresses) {
    EXPECT_EQ(ip_addr::parse("0.0.0.0"), ip_addr::v4_any());
    EXPECT_EQ(ip_addr::parse("127.0.0.1"), ip_addr::v4_loopback());
    EXPECT_EQ(ipv4_addr::parse("255.255.255.255"), ipv4_addr::broadcast());
    EXPECT_EQ(ipv4_addr::parse("93.184.216.34"), ipv4_addr(93, 184, 216, 34));
}

TEST(SocketAddr, RefusesBadIpv4Addresses) {
    for (const auto* text :
         {"",          ".",         "1",         "1.2.3",      "1.2.3.",   ".1.2.3",    "1..2.3",     "1.2.3.4.",
          "1.2.3.4.5", "256.0.0.1", "1.2.3.256", "1.2.3.1000", "01.2.3.4", "1.2.3.04",  "00.0.0.0",   "1.2.3.00",
          "000.0.0.0", " 1.2.3.4",  "1.2.3.4 ",  "1. 2.3.4",   "+1.2.3.4", "-1.2.3.4",  "1.2.3.-4",   "0x1.2.3.4",
          "a.b.c.d",   "1,2,3,4",   "1.2.3.4\n", "2130706433", "127.1",    "1.2.3.4/8", "1.2.3.4:80", "1.2.3.f"}) {
        expect_bad<ipv4_addr>(text);
        expect_bad<ip_addr>(text);
    }
}

// The examples of RFC 4291, sections 2.2 and 2.3, and the edges of the grammar.
TEST(SocketAddr, ReadsFormsOfRfc4291) {
    const text_and_v6 table[] = {
        {"ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", {0xabcd, 0xef01, 0x2345, 0x6789, 0xabcd, 0xef01, 0x2345, 0x6789}},
        {"2001:DB8:0:0:8:800:200C:417A", {0x2001, 0xdb8, 0, 0, 8, 0x800, 0x200c, 0x417a}},
        {"2001:DB8::8:800:200C:417A", {0x2001, 0xdb8, 0, 0, 8, 0x800, 0x200c, 0x417a}},
        {"FF01:0:0:0:0:0:0:101", {0xff01, 0, 0, 0, 0, 0, 0, 0x101}},
        {"FF01::101", {0xff01, 0, 0, 0, 0, 0, 0, 0x101}},
        {"0:0:0:0:0:0:0:1", {0, 0, 0, 0, 0, 0, 0, 1}},
        {"::1", {0, 0, 0, 0, 0, 0, 0, 1}},
        {"0:0:0:0:0:0:0:0", {}},
        {"::", {}},
        {"0:0:0:0:0:0:13.1.68.3", {0, 0, 0, 0, 0, 0, 0x0d01, 0x4403}},
        {"::13.1.68.3", {0, 0, 0, 0, 0, 0, 0x0d01, 0x4403}},
        {"0:0:0:0:0:FFFF:129.144.52.38", {0, 0, 0, 0, 0, 0xffff, 0x8190, 0x3426}},
        {"::FFFF:129.144.52.38", {0, 0, 0, 0, 0, 0xffff, 0x8190, 0x3426}},
        {"2001:0DB8:0000:CD30:0000:0000:0000:0000", {0x2001, 0xdb8, 0, 0xcd30, 0, 0, 0, 0}},
        {"2001:0DB8:0:CD30::", {0x2001, 0xdb8, 0, 0xcd30, 0, 0, 0, 0}},
        {"1::8", {1, 0, 0, 0, 0, 0, 0, 8}},
        {"1:2:3:4:5:6:7::", {1, 2, 3, 4, 5, 6, 7, 0}},
        {"::2:3:4:5:6:7:8", {0, 2, 3, 4, 5, 6, 7, 8}},
        {"1:2:3::5:6:7:8", {1, 2, 3, 0, 5, 6, 7, 8}},
        {"1:2:3:4:5::1.2.3.4", {1, 2, 3, 4, 5, 0, 0x102, 0x304}},
        {"::2:3:4:5:6:1.2.3.4", {0, 2, 3, 4, 5, 6, 0x102, 0x304}},
        {"12:34::", {0x12, 0x34, 0, 0, 0, 0, 0, 0}},
    };
    for (const auto& [text, segments] : table) {
        EXPECT_EQ(ipv6_addr::parse(text), v6(segments)) << text;
        EXPECT_EQ(ip_addr::parse(text), ip_addr(v6(segments))) << text;
    }
}

TEST(SocketAddr, RefusesBadIpv6Addresses) {
    for (const auto* text : {":",
                             ":::",
                             "1",
                             "1:",
                             ":1",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:",
                             ":2:3:4:5:6:7:8",
                             "1:2:3:4:5:6:7:8:9",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "1:2:3:4::5:6:7:8",
                             "1::2::3",
                             "::1::",
                             "1:::2",
                             "::12345",
                             "g::",
                             "1:2:3:4:5:6:7:1.2.3.4",
                             "1:2:3:4:5:6:1.2.3.4::",
                             "1.2.3.4::",
                             "::1.2.3.4:5",
                             "::1.2.3",
                             "::1.2.3.4.5",
                             "::01.2.3.4",
                             "::1.2.3.256",
                             "::1.2.3.1000",
                             "1:2:3:4:5:1.2.3.4",
                             "1:2:3:4:5:6::1.2.3.4",
                             " ::1",
                             "::1 ",
                             "::-1",
                             "::+1",
                             "::0x1",
                             "[::1]",
                             "::1%3",
                             "::1/64",
                             "fe80::1%eth0",
                             "00001::"}) {
        expect_bad<ipv6_addr>(text);
        expect_bad<ip_addr>(text);
    }
}

TEST(SocketAddr, ReadsAddressAndPort) {
    EXPECT_EQ(socket_addr::parse("93.184.216.34:9243"), socket_addr(ipv4_addr(93, 184, 216, 34), 9243));
    EXPECT_EQ(socket_addr::parse("0.0.0.0:0"), socket_addr());
    EXPECT_EQ(socket_addr::parse("127.0.0.1:65535"), socket_addr(ip_addr::v4_loopback(), 65535));
    EXPECT_EQ(socket_addr::parse("127.0.0.1:00080"), socket_addr(ip_addr::v4_loopback(), 80));
    EXPECT_EQ(socket_addr::parse("[::1]:80"), socket_addr(ip_addr::v6_loopback(), 80));
    EXPECT_EQ(socket_addr::parse("[::ffff:1.2.3.4]:1"), socket_addr(v6({0, 0, 0, 0, 0, 0xffff, 0x102, 0x304}), 1));
}

// covers: S09
TEST(SocketAddr, RefusesBadSocketAddresses) {
    for (const auto* text : {"",
                             ":",
                             ":80",
                             "1.2.3.4",
                             "1.2.3.4:",
                             "1.2.3.4:65536",
                             "1.2.3.4:99999",
                             "1.2.3.4:000080",
                             "1.2.3.4:+80",
                             "1.2.3.4:-1",
                             "1.2.3.4: 80",
                             "1.2.3.4:80 ",
                             " 1.2.3.4:80",
                             "1.2.3.4:80a",
                             "1.2.3.4:0x50",
                             "1.2.3.4:http",
                             "1.2.3.4:80:80",
                             "01.2.3.4:80",
                             "localhost:80",
                             "[1.2.3.4]:80",
                             "::1:80",
                             "::1",
                             "[::1]",
                             "[::1]:",
                             "[::1:80",
                             "::1]:80",
                             "[]:80",
                             "[::1]80",
                             "[[::1]]:80",
                             "[::1]:65536",
                             "[ ::1]:80",
                             "[::1 ]:80",
                             "1.2.3.4%3:80"}) {
        expect_bad<socket_addr>(text);
    }
}

TEST(SocketAddr, RefusesTrailingZeroByte) {
    using namespace std::string_view_literals;
    expect_bad<socket_addr>("1.2.3.4:80\0"sv);
    expect_bad<socket_addr>("[::1%lo\0]:80"sv);
    expect_bad<ip_addr>("::1\0"sv);
}

// ---- Scopes ----

TEST(SocketAddr, ReadsNumericScope) {
    const auto parsed = socket_addr::parse("[fe80::1%3]:80");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->scope_id(), 3u);
    EXPECT_EQ(parsed->ip(), ip_addr::parse("fe80::1"));
    EXPECT_EQ(socket_addr::parse("[fe80::1%4294967295]:80")->scope_id(), 4294967295u);
    EXPECT_EQ(socket_addr::parse("[fe80::1%0]:80"), socket_addr::parse("[fe80::1]:80"));
}

TEST(SocketAddr, ReadsScopeByInterfaceName) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(1, name.data()) == nullptr) GTEST_SKIP() << "there is no interface number 1 here";
    const auto parsed = socket_addr::parse("[fe80::1%" + std::string(name.data()) + "]:80");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->scope_id(), 1u);
}

TEST(SocketAddr, RefusesBadScopes) {
    for (const auto* text :
         {"[fe80::1%]:80", "[fe80::1%", "[fe80::1%3", "[fe80::1%3:80", "[fe80::1%no_such_if]:80", "[fe80::1%-1]:80",
          "[fe80::1%4294967296]:80", "[fe80::1%a_name_that_is_too_long_for_one]:80", "[fe80::1%sixteen_letters_]:80",
          "[fe80::1%3%3]:80", "[fe80::1% 3]:80", "%3", "[%3]:80"}) {
        expect_bad<socket_addr>(text);
    }
}

// ---- Formatting ----

// RFC 5952: section 4 rule by rule, and section 5 for mapped addresses.
TEST(SocketAddr, WritesCanonicalFormOfRfc5952) {
    expect_round_trip<ip_addr>("2001:0db8::0001", "2001:db8::1");
    expect_round_trip<ip_addr>("2001:db8:0:0:0:0:2:1", "2001:db8::2:1");
    expect_round_trip<ip_addr>("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    expect_round_trip<ip_addr>("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
    expect_round_trip<ip_addr>("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    expect_round_trip<ip_addr>("2001:DB8::AbCd", "2001:db8::abcd");
    expect_round_trip<ip_addr>("0:0:0:0:0:0:0:0", "::");
    expect_round_trip<ip_addr>("0:0:0:0:0:0:0:1", "::1");
    expect_round_trip<ip_addr>("1:0:0:0:0:0:0:0", "1::");
    expect_round_trip<ip_addr>("0:0:1:0:0:0:1:0", "0:0:1::1:0");
    expect_round_trip<ip_addr>("0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1");
    expect_round_trip<ip_addr>("::ffff:c000:0280", "::ffff:192.0.2.128");
    expect_round_trip<ip_addr>("::192.0.2.128", "::c000:280");
    expect_round_trip<ip_addr>("::fffe:1.2.3.4", "::fffe:102:304");
    expect_round_trip<ip_addr>("255.0.10.1", "255.0.10.1");
}

// covers: S09
TEST(SocketAddr, TextRoundTrips) {
    expect_round_trip<socket_addr>("0.0.0.0:0", "0.0.0.0:0");
    expect_round_trip<socket_addr>("255.255.255.255:65535", "255.255.255.255:65535");
    expect_round_trip<socket_addr>("[::]:0", "[::]:0");
    expect_round_trip<socket_addr>("[0::1]:00001", "[::1]:1");
    expect_round_trip<socket_addr>("[fe80::1%3]:80", "[fe80::1%3]:80");
    expect_round_trip<socket_addr>("[fe80::1%0]:80", "[fe80::1]:80");
    expect_round_trip<socket_addr>("[fe80::1%4294967295]:65535", "[fe80::1%4294967295]:65535");
    expect_round_trip<socket_addr>("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                                   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    expect_round_trip<socket_addr>("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80");
}

/// Generates texts that are nearly addresses: addresses with a few characters replaced, removed, duplicated or added.
class mangled_addresses {
public:
    explicit mangled_addresses(std::uint64_t seed) : random_(seed) {}

    std::string next() {
        std::string text(originals[below(originals.size())]);
        for (auto changes = below(4); changes > 0; --changes) change(text);
        return text;
    }

private:
    static constexpr std::array<std::string_view, 8> originals = {
        "1.2.3.4:80",          "255.255.255.255:65535",    "[::1]:80",          "[fe80::1%3]:80",
        "[1:2:3:4:5:6:7:8]:1", "[::ffff:192.0.2.128]:443", "[2001:db8::]:8080", "[1:2:3:4:5:6:1.2.3.4%7]:9",
    };
    static constexpr std::string_view alphabet = "0123456789abcdefABCDEF:::...[]%%gx+- \n";

    std::size_t below(std::size_t limit) { return random_() % limit; }

    void change(std::string& text) {
        const auto at = below(text.size() + 1);
        const char other = below(16) == 0 ? static_cast<char>(below(256)) : alphabet[below(alphabet.size())];
        switch (below(4)) {
        case 0: text.insert(at, 1, other); break;
        case 1: text.erase(std::min(at, text.size()), 1); break;
        case 2: text.insert(at, text.substr(at, below(8))); break;
        default:
            if (at < text.size()) text[at] = other;
        }
    }

    std::mt19937_64 random_;
};

// covers: S09
TEST(SocketAddrStress, FuzzedTextNeverCrashesAndRoundTrips) {
    mangled_addresses addresses(support::seed());
    std::uint64_t good = 0;
    for (auto left = support::rounds(1'000'000); left > 0; --left) {
        const auto text = addresses.next();
        const auto parsed = socket_addr::parse(text);
        if (!parsed) {
            ASSERT_EQ(parsed.error(), eddy::errc::bad_address) << text;
            continue;
        }
        ++good;
        const auto canonical = parsed->to_string();
        ASSERT_EQ(socket_addr::parse(canonical), *parsed) << '"' << text << "\" -> " << canonical;
        ASSERT_EQ(socket_addr::parse(canonical)->to_string(), canonical);
    }
    EXPECT_GT(good, 0u) << "the fuzzer generated no valid address";
}

TEST(SocketAddrStress, AnyAddressRoundTripsThroughText) {
    std::mt19937_64 random(support::seed());
    for (auto left = support::rounds(100'000); left > 0; --left) {
        ipv6_addr::segments_type segments{};
        const auto zero_mask = random();
        for (std::size_t i = 0; i < segments.size(); ++i) {
            if ((zero_mask >> i & 1) != 0) segments[i] = static_cast<std::uint16_t>(random());
        }
        const socket_addr addr(v6(segments), static_cast<std::uint16_t>(random()), 0,
                               static_cast<std::uint32_t>(random()));
        ASSERT_EQ(socket_addr::parse(addr.to_string()), addr) << addr.to_string();
    }
}

// ---- Values ----

TEST(SocketAddr, PartsAreReturnedAsSet) {
    socket_addr addr(v6({0xfe80, 0, 0, 0, 0, 0, 0, 1}), 80, 0x12345, 3);
    EXPECT_TRUE(addr.is_ipv6() && !addr.is_ipv4());
    EXPECT_EQ(addr.port(), 80);
    EXPECT_EQ(addr.flowinfo(), 0x12345u);
    EXPECT_EQ(addr.scope_id(), 3u);
    addr.set_port(443);
    EXPECT_EQ(addr.to_string(), "[fe80::1%3]:443");
    EXPECT_EQ(addr.ip().as_v4(), std::nullopt);
    EXPECT_EQ(socket_addr(ip_addr::v4_loopback(), 1).ip().as_v4(), ipv4_addr::loopback());
}

TEST(SocketAddr, RecognizesSpecialAddresses) {
    static_assert(ip_addr::v4_any().is_unspecified() && ip_addr::v6_any().is_unspecified());
    static_assert(ip_addr::v4_loopback().is_loopback() && ip_addr::v6_loopback().is_loopback());
    static_assert(!ip_addr::v4_any().is_loopback() && !ip_addr::v6_any().is_loopback());
    EXPECT_TRUE(ip_addr::parse("127.255.0.1")->is_loopback());
    EXPECT_TRUE(ip_addr::parse("224.0.0.1")->is_multicast() && ip_addr::parse("239.255.255.255")->is_multicast());
    EXPECT_FALSE(ip_addr::parse("223.255.255.255")->is_multicast() || ip_addr::parse("240.0.0.0")->is_multicast());
    EXPECT_TRUE(ip_addr::parse("ff02::1")->is_multicast());
    EXPECT_EQ(ipv6_addr::parse("::ffff:1.2.3.4")->to_ipv4_mapped(), ipv4_addr(1, 2, 3, 4));
    EXPECT_EQ(ipv6_addr::parse("::1.2.3.4")->to_ipv4_mapped(), std::nullopt);
}

TEST(SocketAddr, IsWrittenToAStream) {
    std::ostringstream text;
    text << *socket_addr::parse("[::1]:80") << ' ' << ip_addr::v4_loopback() << ' ' << ipv4_addr(1, 2, 3, 4) << ' '
         << ipv6_addr::any();
    EXPECT_EQ(text.str(), "[::1]:80 127.0.0.1 1.2.3.4 ::");
}

TEST(SocketAddr, IsOrderedByKindThenAddressThenPort) {
    const auto low = *socket_addr::parse("9.0.0.0:9"), same_ip = *socket_addr::parse("9.0.0.0:80");
    const auto next_ip = *socket_addr::parse("10.0.0.0:1"), other_kind = *socket_addr::parse("[::]:0");
    EXPECT_LT(low, same_ip);
    EXPECT_LT(same_ip, next_ip);
    EXPECT_LT(next_ip, other_kind);
    EXPECT_NE(*socket_addr::parse("[fe80::1%1]:1"), *socket_addr::parse("[fe80::1%2]:1"));
    EXPECT_NE(ip_addr::v4_any(), ip_addr::v6_any());
}

TEST(SocketAddr, HashesWithoutCollisionsInASmallNetwork) {
    std::unordered_set<std::size_t> hashes;
    std::unordered_set<socket_addr> addresses;
    for (unsigned i = 0; i < 256; ++i) {
        for (std::uint16_t port = 0; port < 64; ++port) {
            const socket_addr addr(ipv4_addr(10, 0, 0, static_cast<std::uint8_t>(i)), port);
            hashes.insert(std::hash<socket_addr>{}(addr));
            addresses.insert(addr);
        }
    }
    EXPECT_EQ(addresses.size(), 256u * 64);
    EXPECT_EQ(hashes.size(), addresses.size());
    EXPECT_TRUE(addresses.contains(*socket_addr::parse("10.0.0.255:63")));
    EXPECT_EQ(std::hash<ip_addr>{}(ip_addr::v6_loopback()), std::hash<ipv6_addr>{}(ipv6_addr::loopback()));
    EXPECT_EQ(std::hash<ip_addr>{}(ip_addr::v4_loopback()), std::hash<ipv4_addr>{}(ipv4_addr::loopback()));
}

#ifdef __cpp_lib_format
TEST(SocketAddr, FormatsAsText) {
    const auto addr = socket_addr::parse("127.0.0.1:80").value();
    EXPECT_EQ(std::format("{}", addr), "127.0.0.1:80");
    EXPECT_EQ(std::format("{:>14}|{:.3}", addr, addr.ip()), "  127.0.0.1:80|127");
    EXPECT_EQ(std::format("{} {}", ipv4_addr::parse("1.2.3.4").value(), ipv6_addr::parse("::1").value()),
              "1.2.3.4 ::1");
    EXPECT_EQ(std::format("{}", eddy::net::unix_addr::path("/run/x").value()), "/run/x");
}
#endif

}  // namespace
