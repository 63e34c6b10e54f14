// SPDX-License-Identifier: MIT
// Starts of programs that are on a file system that does not answer.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/process/children.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace process = eddy::process;
using namespace std::chrono_literals;
using process::command;

/// A program whose execve(2) waits as long as this object exists: for a lease on its file, see fcntl(2). The system
/// takes the lease away after lease-break-time.
class held_program {
public:
    explicit held_program(std::string path) : path_(std::move(path)), before_(std::signal(SIGIO, SIG_IGN)) {
        std::filesystem::copy_file("/bin/true", path_);
        fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        int seconds = 0;
        std::ifstream("/proc/sys/fs/lease-break-time") >> seconds;
        is_held_ = seconds >= 45 && ::fcntl(fd_, F_SETLEASE, F_WRLCK) == 0;
    }
    held_program(const held_program&) = delete;
    held_program& operator=(const held_program&) = delete;
    ~held_program() {
        ::close(fd_);
        std::signal(SIGIO, before_);
    }

    [[nodiscard]] bool is_held() const noexcept { return is_held_; }
    [[nodiscard]] command start() const { return command(path_); }

private:
    std::string path_;
    void (*before_)(int);
    int fd_ = -1;
    bool is_held_ = false;
};

TEST(ProcessSpawner, StartsThatDoNotReturnDoNotStopOthers) {
    const support::temp_dir dir;
    support::executor runs(0);
    {
        const held_program slow(dir / "slow");
        if (!slow.is_held()) GTEST_SKIP() << "the file system has no leases, or lease-break-time is short";
        const auto run_true = []() -> eddy::task<bool> {
            const auto done = co_await eddy::time::timeout(30s, process::run(command("/bin/true")));
            co_return done && *done && (*done)->status.is_success();
        };
        EXPECT_TRUE(runs.run([&]() -> eddy::task<bool> {
            std::vector<eddy::join_handle<process::result<process::child>>> started;
            for (int i = 0; i < 3; ++i) started.push_back(eddy::spawn(slow.start().spawn()));
            co_await eddy::yield_now();  // they are first
            const bool is_run = co_await run_true();
            for (auto& each : started) {
                EXPECT_FALSE(each.is_finished());
                each.abort();
            }
            co_return is_run;
        }()));
        // Also after their futures have gone, and with one more.
        auto ran = process::run(slow.start());
        EXPECT_FALSE(runs.run(eddy::time::timeout(1ms, std::move(ran))));
        EXPECT_TRUE(runs.run(run_true()));
    }
    EXPECT_TRUE(support::all_are_reaped());
}

}  // namespace
