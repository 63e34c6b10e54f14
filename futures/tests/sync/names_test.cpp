// SPDX-License-Identifier: MIT
// The names of eddy/names.hpp at the top of a file, next to the functions of the C library.
#include <unistd.h>
#include <csignal>
#include <ctime>
#include <type_traits>

#include <gtest/gtest.h>
#include <eddy/eddy.hpp>

using namespace eddy;  // NOLINT(google-build-using-namespace): what is tested
namespace esynchronized = eddy::esync;

namespace {

static_assert(std::is_same_v<esync::mutex<int>, eddy::sync::mutex<int>>);
static_assert(std::is_same_v<esynchronized::notify, eddy::sync::notify>);
static_assert(std::is_same_v<etime::clock, eddy::time::clock>);
static_assert(std::is_same_v<esignal::kind, eddy::signal::kind>);

TEST(SyncNames, SecondNamesDoNotClashWithTheCLibrary) {
    esync::mutex<int> count(1);
    EXPECT_TRUE(count.try_lock());
}

}  // namespace
