// SPDX-License-Identifier: MIT
// A program whose main loop is GLib's, which waits for its own children, has children of eddy::process beside them.
// covers: P076
// runs: once, asan, GLib
#include <gtest/gtest.h>

#include <glib.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <support/executors.hpp>
#include <support/process/children.hpp>

namespace {

namespace process = eddy::process;

constexpr int count = 40;

/// The children of GLib, and the tasks of eddy that have ended.
struct main_loop {
    GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
    int left = count;
    std::array<int, count> codes{};

    main_loop() { codes.fill(-1); }
    main_loop(const main_loop&) = delete;
    main_loop& operator=(const main_loop&) = delete;
    ~main_loop() { g_main_loop_unref(loop); }
};

struct watched {
    main_loop* in;
    int index;
};

/// Starts a process, which GLib waits for.
void start_with_glib(watched& child) {
    std::string script = "exit " + std::to_string(child.index);
    std::array<char*, 4> arguments{const_cast<char*>("sh"), const_cast<char*>("-c"), script.data(), nullptr};
    GPid id = 0;
    const auto flags = static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD);
    ASSERT_TRUE(g_spawn_async(nullptr, arguments.data(), nullptr, flags, nullptr, nullptr, &id, nullptr));
    const auto has_ended = [](GPid ended, int status, void* data) {
        auto& [in, index] = *static_cast<watched*>(data);
        in->codes.at(static_cast<std::size_t>(index)) = WIFEXITED(status) ? WEXITSTATUS(status) : -2;
        g_spawn_close_pid(ended);
        if (--in->left == 0) g_main_loop_quit(in->loop);
    };
    g_child_watch_add(id, has_ended, &child);
}

TEST(ProcessGlib, ChildrenOfGlibAndOfEddyAreAllReported) {
    ASSERT_TRUE(support::all_are_reaped());
    support::executor runs(2);
    std::atomic<int> right = 0;
    auto tasks = runs.run([](std::atomic<int>& good) -> eddy::task<eddy::join_set<>> {
        eddy::join_set<> all;
        for (int i = 0; i < count; ++i) {
            all.spawn([](int code, std::atomic<int>& to) -> eddy::task<void> {
                auto child = co_await process::command("sh", "-c", "exit " + std::to_string(100 + code)).spawn();
                if (!child) co_return;
                const auto status = co_await child->wait();
                if (status && status->code() == 100 + code) ++to;
            }(i, good));
        }
        co_return all;
    }(right));
    main_loop main;
    std::array<watched, count> children{};
    for (int i = 0; i < count; ++i) {
        auto& child = children.at(static_cast<std::size_t>(i));
        child = {&main, i};
        start_with_glib(child);
    }
    g_main_loop_run(main.loop);
    for (int i = 0; i < count; ++i) EXPECT_EQ(main.codes.at(static_cast<std::size_t>(i)), i);
    runs.run([](eddy::join_set<>& all) -> eddy::task<void> {
        while (const auto ended = co_await all.join_next()) EXPECT_TRUE(*ended);
    }(tasks));
    EXPECT_EQ(right.load(), count);
    EXPECT_TRUE(support::all_are_reaped());
}

}  // namespace
