// SPDX-License-Identifier: MIT
// Public names of eddy that the C library or std has, too. The uses that docs/pitfalls.md recommends must compile.
// covers: I20.4.12
// runs: asan
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <type_traits>

#include <eddy/prelude.hpp>
#include <eddy/signal.hpp>
#include <eddy/sys/poll.hpp>
#include <eddy/test/advance.hpp>

namespace {

using namespace std::chrono_literals;

namespace aliases {
namespace time = eddy::time;
namespace signal = eddy::signal;
namespace sync = eddy::sync;
namespace pipe = eddy::net::pipe;

TEST(Names, NamespacesCanBeAliasedInsideANamespace) {
    EXPECT_TRUE((std::is_same_v<decltype(time::sleep(1s)), eddy::time::sleep_future>));
    EXPECT_TRUE((std::is_same_v<decltype(signal::ctrl_c()), decltype(eddy::signal::ctrl_c())>));
    EXPECT_TRUE((std::is_same_v<sync::mutex<int>, eddy::sync::mutex<int>>));
    EXPECT_TRUE((std::is_same_v<decltype(pipe::make()), decltype(eddy::net::pipe::make())>));
}
}  // namespace aliases

namespace all_of_eddy {
using namespace eddy;

TEST(Names, UsingNamespaceEddyDoesNotHidePosixCalls) {
    EXPECT_TRUE((std::is_same_v<decltype(time::sleep(1s)), eddy::time::sleep_future>));
    EXPECT_EQ(wait(ready(1)), 1);
    int status = 0;
    EXPECT_TRUE((std::is_same_v<decltype(wait(&status)), pid_t>));
    EXPECT_TRUE((std::is_same_v<decltype(::wait(nullptr)), pid_t>));
    EXPECT_EQ(wait(select(ready(1), pending())).index(), 0u);
}
}  // namespace all_of_eddy

namespace with_std {
using namespace std;
using namespace eddy;
using namespace eddy::io;
using namespace eddy::streams;
using namespace eddy::test;

TEST(Names, ArgumentsSelectBetweenEddyAndStd) {
    EXPECT_EQ(make_error_code(eddy::errc::timed_out), eddy::errc::timed_out);
    EXPECT_TRUE((is_same_v<decltype(advance(1s)), eddy::test::advance_future>));
    EXPECT_TRUE((is_same_v<decltype(flush(declval<eddy::net::tcp_stream&>())),
                           decltype(eddy::io::flush(declval<eddy::net::tcp_stream&>()))>));
    EXPECT_TRUE(
        (is_same_v<decltype(copy(declval<eddy::net::tcp_stream&>(), declval<eddy::net::tcp_stream&>())),
                   decltype(eddy::io::copy(declval<eddy::net::tcp_stream&>(), declval<eddy::net::tcp_stream&>()))>));
}
}  // namespace with_std

namespace others {
using namespace eddy::io;
using namespace eddy::sys;
using namespace eddy::time;

TEST(Names, ArgumentsSelectBetweenEddyAndPosix) {
    EXPECT_TRUE((std::is_same_v<decltype(sleep(1s)), eddy::time::sleep_future>));
    EXPECT_TRUE((std::is_same_v<decltype(sleep(1)), unsigned>));
    EXPECT_TRUE((std::is_same_v<decltype(clock::now()), eddy::time::time_point>));
    EXPECT_TRUE((std::is_same_v<decltype(poll::make()), eddy::result<eddy::sys::poll>>));
    std::array<std::byte, 4> bytes{};
    EXPECT_TRUE((std::is_same_v<decltype(read(0, bytes.data(), bytes.size())), ssize_t>));
    EXPECT_TRUE((std::is_same_v<decltype(write(0, bytes.data(), bytes.size())), ssize_t>));
    EXPECT_TRUE((std::is_same_v<decltype(shutdown(0, SHUT_WR)), int>));
    EXPECT_TRUE(std::is_void_v<decltype(rewind(stdin))>);
    EXPECT_TRUE((std::is_same_v<decltype(read(std::declval<eddy::net::tcp_stream&>(), bytes)),
                                decltype(eddy::io::read(std::declval<eddy::net::tcp_stream&>(), bytes))>));
}
}  // namespace others

}  // namespace
