// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <eddy/task.hpp>

#include "drops.hpp"
#include "plan.hpp"
#include "watch.hpp"

// The work of soak_files. Each session does one operation after the other until the episode is over, and drops some.

namespace soak {

/// What the sessions of an episode share.
/// Thread safety: any thread.
struct file_state {
    std::filesystem::path folder;  // of this episode
    std::uint64_t seed;
    unsigned drops_one_in;  // 0: none
    std::atomic<bool> is_over{false};
    std::atomic<std::size_t> running{0};

    file_state(std::filesystem::path in, std::uint64_t from, unsigned drops)
        : folder(std::move(in)), seed(from), drops_one_in(drops) {}
};

/// Returns a random text of `count` bytes, which another seed does not give.
[[nodiscard]] std::string random_bytes(std::uint64_t seed, std::size_t count);

/// Replaces a file, reads it back, and copies it; writes, seeks, truncates and reads an open file.
[[nodiscard]] eddy::task<void> run_contents(std::shared_ptr<file_state> state, unsigned number);
/// Copies random trees, compares the copies with find(1) and sha256sum(1), and removes both.
[[nodiscard]] eddy::task<void> run_trees(std::shared_ptr<file_state> state, unsigned number);
/// Changes the entries of a folder that is watched. Each change must be reported.
[[nodiscard]] eddy::task<void> run_changes(std::shared_ptr<file_state> state, unsigned number);
/// Runs programs: their output, their status, their end by a signal.
[[nodiscard]] eddy::task<void> run_programs(std::shared_ptr<file_state> state, unsigned number);

/// Runs an operation, or drops it, and counts its end. Returns whether it has ended.
[[nodiscard]] inline eddy::task<bool> run_one(std::shared_ptr<operation> mine, eddy::task<bool> work, drop_plan plan) {
    const auto ended = co_await run_or_drop(std::move(work), plan);
    mine->end(ended ? outcome::done : outcome::dropped);
    co_return ended.has_value();
}

/// Set when the runtime ends, and operations fail with it.
inline std::atomic<bool> is_interrupted{false};

/// Returns whether an operation has succeeded. Reports its error, unless the runtime has ended.
template <class R>
[[nodiscard]] bool succeeds(const operation& mine, const R& done, const char* step) {
    if (done || is_interrupted) return done.has_value();
    if constexpr (requires { done.error().message(); }) {
        watch::get().fail(mine, std::string(step) + ": " + done.error().message());
    } else {
        watch::get().fail(mine, std::string(step) + ": " + done.error().what());
    }
    return false;
}

}  // namespace soak
