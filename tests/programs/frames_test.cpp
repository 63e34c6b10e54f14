// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "support/process.hpp"

// The example `frames`. In its own file, since this example is also built with the sanitizers.

namespace {

// covers: S84 S86 S88 P046
TEST(Frames, FramesPrintsAllTransports) {
    const auto ended = support::run({"frames"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out,
              "lines: hello, world\n"
              "datagrams: ping 0, ping 1, ping 2\n"
              "halves: 100000 bytes sent and received\n"
              "handed over: 5 bytes, and the socket was returned\n");
}

}  // namespace
