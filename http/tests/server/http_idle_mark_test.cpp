// SPDX-License-Identifier: MIT
// The idle time of a connection of HTTP that net::serve() may abort.
// runs: once
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include <eddy/net/detail/served_state.hpp>

#include "server/connection.hpp"

namespace {

using eddy::detail::idle_connections;
using eddy::detail::served_state;

// HTTP/2: several requests may arrive before the task of the connection ends.
TEST(HttpIdleMark, NoRequestBeginsOnAnAbortedConnection) {
    const auto all = std::make_shared<idle_connections>(std::nullopt);
    served_state state(all);
    eddy::detail::idle_mark mark;
    EXPECT_TRUE(mark.end()) << "it is not idle";
    mark.begin(state);
    EXPECT_TRUE(mark.end());
    mark.begin(state);
    all->begin_drain();
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(mark.end());
}

}  // namespace
