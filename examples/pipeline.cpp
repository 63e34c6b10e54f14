// SPDX-License-Identifier: MIT
// A stream of items through four stages, with backpressure: a slow stage slows down the stages before it.
// Each stage accepts items up to its capacity, so memory is bounded for any number of items.
//     $ ./pipeline
//     1000 of 1000 items processed, sum 332833500; at most 8 fetched and 2 hashed at a time
//     $ ./pipeline --stop-after-us 3000
//     stopped: 212 of 1000 items processed; nothing is left running
#include <eddy/prelude.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <optional>
#include <ranges>

namespace {

struct options {
    int items = 1000;
    std::optional<std::int64_t> stop_after_us;
};

/// Counts the items in a stage, and their maximum.
class stage {
public:
    void enter() noexcept {
        const int here = ++count_;
        for (int before = most_; before < here && !most_.compare_exchange_weak(before, here);) continue;
    }
    void leave() noexcept { --count_; }
    [[nodiscard]] int most() const noexcept { return most_; }

private:
    std::atomic<int> count_ = 0;
    std::atomic<int> most_ = 0;
};

class visit {
public:
    explicit visit(stage& where) noexcept : where_(where) { where_.enter(); }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit() { where_.leave(); }

private:
    stage& where_;
};

struct pipeline {
    stage fetching;
    stage hashing;
    eddy::sync::task_tracker hashes;
    int processed = 0;
    long sum = 0;
};

/// A stand-in for a request to another machine.
eddy::task<long> fetch(long item, stage& here) {
    const visit counted(here);
    for (long step = 0; step <= item % 5; ++step) co_await eddy::yield_now();
    co_return item;
}

/// A stand-in for a long computation, which runs on a thread for blocking work.
long hash(long item, stage& here) {
    const visit counted(here);
    return item * item;
}

constexpr std::size_t fetched_at_once = 8;
constexpr std::size_t hashed_at_once = 2;

eddy::task<void> run_through(pipeline& all, int items) {
    auto hashed = eddy::streams::iter(std::views::iota(0L, long{items}))
                      .map([&all](long item) { return fetch(item, all.fetching); })
                      .buffer_unordered(fetched_at_once)  // in the order of completion
                      .map([&all](long item) {
                          return all.hashes.spawn_blocking([item, &all] { return hash(item, all.hashing); });
                      })
                      .buffered(hashed_at_once);  // in the order of arrival
    while (auto each = co_await hashed.next()) {
        all.sum += each->value();
        ++all.processed;
    }
}

/// Waits for blocking work. It cannot be cancelled: jobs that are running or queued continue, and use the pipeline.
eddy::task<void> until_hashing_ends(pipeline& all) {
    all.hashes.close();
    co_await all.hashes.wait();
}

eddy::task<int> run_pipeline(options chosen) {
    // Blocking work may continue after a stop and uses the pipeline, so the pipeline lives as long as the process.
    static pipeline all;
    if (!chosen.stop_after_us) {
        co_await run_through(all, chosen.items);
        fmt::print("{} of {} items processed, sum {}; at most {} fetched and {} hashed at a time\n", all.processed,
                   chosen.items, all.sum, all.fetching.most(), all.hashing.most());
        const bool is_bounded = all.fetching.most() <= static_cast<int>(fetched_at_once) &&
                                all.hashing.most() <= static_cast<int>(hashed_at_once);
        const bool is_whole = all.processed == chosen.items;
        co_return (is_bounded && is_whole) ? 0 : 1;
    }
    const std::chrono::microseconds limit(*chosen.stop_after_us);
    const auto ended = co_await eddy::time::timeout(limit, run_through(all, chosen.items));
    co_await until_hashing_ends(all);
    fmt::print("{}: {} of {} items processed; nothing is left running\n", ended ? "done" : "stopped", all.processed,
               chosen.items);
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    options chosen;
    CLI::App app("a stream of work through four stages");
    app.add_option("--items", chosen.items, "the number of items")->check(CLI::NonNegativeNumber);
    app.add_option("--stop-after-us", chosen.stop_after_us, "stop after this number of microseconds");
    CLI11_PARSE(app, argc, argv);
    return eddy::run(run_pipeline(chosen));
}
