// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/fs.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

#include <support/fs/file_faults.hpp>
#include <support/net.hpp>

namespace support {

/// Runs `work` again and again. In run n, system call n fails. Ends when a run makes fewer calls. Calls `prepare`
/// before each run, and `check(has_failed)` after it.
///
/// Checks that an error is the one of the call and names `path`, that an interrupted call is repeated, that no
/// descriptor is left, and that only failures of the functions in `ignored` make no error. A function is there as often
/// as it is called: in alphabetical order.
inline void fail_each_call(const std::string& path, const std::vector<std::string>& ignored,
                           const std::function<eddy::task<eddy::fs::result<void>>()>& work,
                           const std::function<void()>& prepare, const std::function<void(bool)>& check) {
    for (const int error : {ENOSPC, EIO, EINTR, EMFILE}) {
        std::vector<std::string> without_error;
        for (std::size_t n = 0;; ++n) {
            prepare();
            eddy::core loop;
            // The first job starts a thread.
            loop.run([]() -> eddy::task<void> { static_cast<void>(co_await eddy::fs::exists("/")); }());
            const auto before = fd_count();
            fail_file_call(n, error);
            const auto done = loop.run(work());
            const std::string failed(failed_file_call());
            pass_file_calls();
            SCOPED_TRACE("call " + std::to_string(n) + ", " + failed + ", error " + std::to_string(error));
            if (!done) {
                EXPECT_FALSE(failed.empty());
                EXPECT_EQ(done.error().code(), std::error_code(error, std::generic_category()));
                EXPECT_NE(done.error().message().find(path), std::string::npos) << done.error().message();
                EXPECT_NE(error, EINTR);
            } else if (!failed.empty()) {
                without_error.push_back(failed);
            }
            EXPECT_EQ(fd_count(), before);
            check(!done);
            if (testing::Test::HasFailure()) return;
            if (failed.empty()) {
                EXPECT_TRUE(done);
                EXPECT_GT(n, 0U);
                break;
            }
        }
        if (error == EINTR) continue;
        std::ranges::sort(without_error);
        EXPECT_EQ(without_error, ignored) << "error " << error;
    }
}

}  // namespace support
