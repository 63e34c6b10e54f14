// SPDX-License-Identifier: MIT
// Threads for blocking work: a job that is submitted while the keep_alive of an idle thread passes is run.
#include "executor/blocking/blocking_pool.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <eddy/detail/runtime_context.hpp>

#include "explore/explore.hpp"
#include "sys/thread.hpp"

// ---- Threads of the library are threads of the model ----

namespace {

/// The threads that the model has started. The model's first thread starts them, and ends them with join_all().
std::array<explore::thread*, 4> started;
std::size_t started_count = 0;

void join_all() {
    while (started_count != 0) delete started.at(--started_count);
}

}  // namespace

// Only its start is part of the models. A thread is joined by join_all().
namespace eddy::sys {

result<thread> thread::start(std::size_t, void* (*entry)(void*), void* argument) noexcept {
    started.at(started_count++) = new explore::thread([=] { static_cast<void>(entry(argument)); });
    return thread(native_id());
}
thread::~thread() = default;
thread& thread::operator=(thread&& other) noexcept {
    id_ = std::exchange(other.id_, std::nullopt);
    return *this;
}
bool thread::is_this_thread() const noexcept { return false; }
void thread::join() noexcept { id_.reset(); }
void thread::detach() noexcept { id_.reset(); }
void name_this_thread(const std::string&) noexcept {}
result<void> run_this_thread_on(std::span<const unsigned>) noexcept { return {}; }
result<std::vector<unsigned>> thread_binding::processors_of_new_thread() noexcept { return std::vector<unsigned>(); }

}  // namespace eddy::sys

namespace {

using eddy::detail::blocking_job;
using eddy::detail::blocking_pool;
using explore::check;
using explore::holds;

class ExploreBlockingPool : public testing::Test {
protected:
    static void SetUpTestSuite() { explore::separate(&eddy::detail::this_thread.blocking_thread_of); }
};

/// A job that calls a function.
class job : public blocking_job {
public:
    explicit job(std::function<void()> does) : blocking_job(&run_it, &cancel_it), does_(std::move(does)) {}

private:
    static void run_it(blocking_job& self) noexcept { static_cast<job&>(self).does_(); }
    static void cancel_it(blocking_job&) noexcept { check(false, "no job is cancelled"); }
    std::function<void()> does_;
};

/// The thread of the first job becomes idle, and may end, while the second job is submitted. The second job ends after
/// the shutdown, so that no thread waits twice: the length of a wait decides whether the next one spins.
TEST_F(ExploreBlockingPool, JobSubmittedAtTheEndOfKeepAliveIsRun) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1, .early_timeouts = true}, [] {
        started_count = 0;
        const auto pool = blocking_pool::make({});
        explore::event has_begun;
        explore::event may_end;
        job first([] {});
        job second([&] {
            has_begun.set();
            may_end.wait();
        });
        check(pool->submit(first).has_value(), "the first job is accepted");
        check(pool->submit(second).has_value(), "the second job is accepted");
        has_begun.wait();
        pool->shutdown();
        may_end.set();
        join_all();
    }));
}

}  // namespace
