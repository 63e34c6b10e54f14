// SPDX-License-Identifier: MIT
// The close of a file that other threads use: it waits for their calls and is never under one of them, since another
// file may get the number of the descriptor. Later calls find the file closed.
#include "open_file.hpp"

#include <gtest/gtest.h>

#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>

#include "explore/explore.hpp"
#include "sys/lock_calls.hpp"
#include "sys/open_calls.hpp"

namespace explore {
namespace {

/// Whether the descriptor of the model is open: plain memory, so that a use during the close is a data race.
cell<bool>* is_open = nullptr;

}  // namespace
}  // namespace explore

EDDY_LIBRARY(fs)

namespace eddy::fs {

std::error_code make_error_code(errc) noexcept { return std::make_error_code(std::errc::bad_file_descriptor); }

}  // namespace eddy::fs

namespace eddy::sys {

status_flags status_flags_of(int) noexcept { return {}; }
bool is_local(int) noexcept { return false; }
result<void> close_file(int) noexcept {
    explore::is_open->write(false);
    return ok();
}
result<bool> try_lock(int, bool) noexcept { return true; }
void unlock(int) noexcept { explore::check(explore::is_open->read(), "the descriptor is open"); }

}  // namespace eddy::sys

namespace {

using eddy::fs::detail::open_file;
using explore::check;
using explore::holds;

constexpr int some_fd = 1'000'000;  // of no open descriptor

/// An open file, and the descriptor that it has.
class shared_file {
public:
    shared_file() { explore::is_open = &is_open_; }

    void use() {
        const open_file::use here(file_);
        if (here) check(is_open_.read() && file_.fd() == some_fd, "the descriptor is open");
    }
    bool close() { return file_.close().has_value(); }
    bool is_open() { return bool(open_file::use(file_)); }
    open_file& get() { return file_; }

private:
    explore::cell<bool> is_open_{true};
    open_file file_{eddy::sys::unique_fd(some_fd), {}, {}, {}, nullptr};
};

TEST(ExploreOpenFile, CloseWaitsForAllCalls) {
    EXPECT_TRUE(holds([] {
        shared_file file;
        explore::thread one([&] { file.use(); });
        explore::thread other([&] { file.use(); });
        check(file.close(), "this is the first close");
        check(!file.is_open(), "later calls find the file closed");
    }));
}

TEST(ExploreOpenFile, OneOfTwoClosesCloses) {
    EXPECT_TRUE(holds([] {
        shared_file file;
        bool was_first = false;
        bool was_second = false;
        {
            explore::thread user([&] { file.use(); });
            explore::thread other([&] { was_second = file.close(); });
            was_first = file.close();
        }
        check(was_first != was_second, "one close has closed the file");
    }));
}

TEST(ExploreOpenFile, CloseAndReleaseOfTheLock) {
    EXPECT_TRUE(holds([] {
        shared_file file;
        check(file.get().try_lock(true).value(), "the lock is free");
        explore::thread guard([&] { file.get().unlock(); });
        check(file.close(), "this is the first close");
    }));
}

}  // namespace
