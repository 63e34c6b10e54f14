// SPDX-License-Identifier: MIT
#include "sys/exit_queue.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/processes.hpp"

namespace {

namespace sys = eddy::sys;
using namespace std::chrono_literals;

/// A process, which is killed and reaped at last.
class started {
public:
    explicit started(std::vector<std::string> arguments) {
        sys::start_request what;
        what.program = "/bin/" + arguments.front();
        what.arguments = std::move(arguments);
        process_ = sys::start_process(what).value();
    }
    started(const started&) = delete;
    started& operator=(const started&) = delete;
    ~started() {
        if (is_reaped_) return;
        static_cast<void>(sys::send_signal(process_, sys::sigkill));
        ::waitpid(process_.id, nullptr, 0);
    }

    [[nodiscard]] const sys::started_process& process() const noexcept { return process_; }
    void end() { EXPECT_TRUE(sys::send_signal(process_, sys::sigkill)); }
    void reap() { is_reaped_ = ::waitpid(process_.id, nullptr, 0) == process_.id; }

private:
    sys::started_process process_;
    bool is_reaped_ = false;
};

std::vector<void*> next_of(sys::exit_queue& queue, std::optional<std::chrono::milliseconds> most) {
    sys::exit_queue::keys keys{};
    const auto found = queue.wait(keys, most);
    return {found.begin(), found.end()};
}

TEST(ExitQueue, EndOfAProcessIsReported) {
    auto queue = sys::exit_queue::make().value();
    started one({"sleep", "1000"});
    started other({"sleep", "1000"});
    ASSERT_TRUE(sys::exit_queue::can_watch(one.process()));
    ASSERT_TRUE(queue.add(one.process(), &one));
    ASSERT_TRUE(queue.add(other.process(), &other));
    EXPECT_TRUE(next_of(queue, 0ms).empty());
    other.end();
    EXPECT_EQ(next_of(queue, std::nullopt), std::vector<void*>{&other});
    queue.remove(other.process());
    EXPECT_TRUE(next_of(queue, 0ms).empty());
}

// With kqueue, macOS does not find such a process.
TEST(ExitQueue, ProcessThatEndedBeforeIsReported) {
    auto queue = sys::exit_queue::make().value();
    for (int round = 0; round < 3; ++round) {
        started one({"true"});
        sys::wait_for_end(one.process());
        ASSERT_TRUE(queue.add(one.process(), &one));
        EXPECT_EQ(next_of(queue, std::nullopt), std::vector<void*>{&one});
        one.reap();
        queue.remove(one.process());
        EXPECT_TRUE(next_of(queue, 0ms).empty());
    }
}

TEST(ExitQueue, ManyEndsAreAllReported) {
    auto queue = sys::exit_queue::make().value();
    std::vector<std::unique_ptr<started>> all;
    std::vector<void*> wanted;
    for (int i = 0; i < 100; ++i) {
        all.push_back(std::make_unique<started>(std::vector<std::string>{"true"}));
        wanted.push_back(all.back().get());
        ASSERT_TRUE(queue.add(all.back()->process(), all.back().get()));
    }
    std::vector<void*> found;
    while (found.size() < wanted.size()) {
        for (void* const key : next_of(queue, std::nullopt)) {
            found.push_back(key);
            queue.remove(static_cast<started*>(key)->process());
        }
    }
    std::ranges::sort(wanted);
    std::ranges::sort(found);
    EXPECT_EQ(found, wanted);
}

}  // namespace
