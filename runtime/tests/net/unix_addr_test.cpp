// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/error.hpp>
#include <eddy/net/unix_addr.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace {

using eddy::net::unix_addr;

// covers: P060
TEST(UnixAddr, HoldsPathAbstractNameOrNothing) {
    const unix_addr none;
    EXPECT_TRUE(none.is_unnamed());
    EXPECT_FALSE(none.as_path());
    EXPECT_FALSE(none.as_abstract());
    const auto path = unix_addr::path("/tmp/a").value();
    EXPECT_EQ(path.as_path(), "/tmp/a");
    EXPECT_FALSE(path.as_abstract());
    const auto name = unix_addr::abstract("a").value();
    EXPECT_EQ(name.as_abstract(), "a");
    EXPECT_FALSE(name.as_path());
    EXPECT_FALSE(name.is_unnamed());
    EXPECT_EQ(unix_addr::abstract("").value().as_abstract(), "") << "the empty name is valid";
}

// covers: P060
TEST(UnixAddr, TooLongNameIsRefused) {
    const std::string longest(unix_addr::longest_path, 'x');
    EXPECT_EQ(unix_addr::path(longest).value().as_path(), longest);
    EXPECT_EQ(unix_addr::abstract(longest).value().as_abstract(), longest);
    for (const auto& refused : {unix_addr::path(longest + "x"), unix_addr::abstract(longest + "x")}) {
        EXPECT_EQ(refused.error(), eddy::errc::unix_name_too_long);
        EXPECT_EQ(refused.error(), std::errc::filename_too_long);
        EXPECT_NE(refused.error().message().find("107 bytes"), std::string::npos);
    }
}

// covers: P060
TEST(UnixAddr, PathWithNulIsRefused) {
    for (const std::string_view bad : {std::string_view("a\0b", 3), std::string_view("a\0", 2), std::string_view()}) {
        const auto refused = unix_addr::path(bad);
        EXPECT_EQ(refused.error(), eddy::errc::bad_path);
        EXPECT_EQ(refused.error(), std::errc::invalid_argument);
        EXPECT_NE(refused.error().message().find("NUL"), std::string::npos);
    }
    EXPECT_EQ(unix_addr::abstract(std::string_view("a\0b", 3)).value().as_abstract()->size(), 3u);
}

TEST(UnixAddr, ToStringEscapesUnprintableBytes) {
    EXPECT_EQ(unix_addr().to_string(), "(unnamed)");
    EXPECT_EQ(unix_addr::path("/run/a b").value().to_string(), "/run/a b");
    EXPECT_EQ(unix_addr::abstract("plain").value().to_string(), "@plain");
    EXPECT_EQ(unix_addr::abstract(std::string_view("\0\xff\\ x", 5)).value().to_string(), "@\\x00\\xff\\x5c\\x20x");
}

TEST(UnixAddr, IsWrittenToAStream) {
    std::ostringstream text;
    text << unix_addr::path("/run/x").value() << ' ' << unix_addr::abstract("y").value() << ' ' << unix_addr();
    EXPECT_EQ(text.str(), "/run/x @y (unnamed)");
}

TEST(UnixAddr, ComparesOrdersAndHashes) {
    const std::vector<unix_addr> sorted{unix_addr(), unix_addr::path("a").value(), unix_addr::path("b").value(),
                                        unix_addr::abstract("a").value()};
    EXPECT_TRUE(std::ranges::is_sorted(sorted));
    EXPECT_NE(sorted[1], sorted[3]);
    EXPECT_EQ(sorted[1], unix_addr::path("a").value());
    const std::hash<unix_addr> hash;
    EXPECT_EQ(hash(sorted[1]), hash(unix_addr::path("a").value()));
    EXPECT_NE(hash(sorted[1]), hash(sorted[3]));
    EXPECT_EQ(hash(unix_addr()), hash(unix_addr()));
}

}  // namespace
