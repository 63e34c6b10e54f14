// SPDX-License-Identifier: MIT
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <eddy/fs.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>

#include "support/random_tree.hpp"
#include "work.hpp"

namespace soak {
namespace {

using eddy::task;
namespace fs = eddy::fs;
using std::filesystem::path;

/// The paths of a folder that a program of its changes knows, see fs::watch().
class known_paths {
public:
    void apply(const fs::change& of) {
        switch (of.kind) {
        case fs::change_kind::removed: drop(of.path); break;
        case fs::change_kind::renamed:  // only files are moved
            paths_.erase(of.old_path);
            paths_.insert(of.path);
            break;
        default: paths_.insert(of.path);
        }
    }
    [[nodiscard]] const std::set<path>& all() const noexcept { return paths_; }

private:
    /// Removes a path, and all below it.
    void drop(const path& of) {
        std::erase_if(paths_, [&](const path& each) { return *each.lexically_relative(of).begin() != ".."; });
    }

    std::set<path> paths_;
};

std::set<path> paths_below(const path& folder) {
    std::set<path> all;
    for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) all.insert(each.path());
    return all;
}

/// Changes entries of the folder. A directory is not moved: what is below it may be missed if it has just appeared.
void change(const path& folder, std::uint64_t seed) {
    support::dice random(seed);
    for (auto left = random.between(1, 40); left != 0; --left) {
        const auto one = folder / std::to_string(random.below(12));
        const auto other = folder / std::to_string(random.below(12));
        std::error_code ignored;
        switch (random.below(5)) {
        case 0: std::filesystem::create_directories(one / "below", ignored); break;
        case 1: std::filesystem::remove_all(one, ignored); break;
        case 2:
            if (std::filesystem::is_regular_file(one)) std::filesystem::rename(one, other, ignored);
            break;
        default:
            if (!std::filesystem::is_directory(one)) support::put_file(one.native(), "changed");
        }
    }
}

}  // namespace

task<void> run_changes(std::shared_ptr<file_state> state, unsigned number) {
    support::dice random(mix(state->seed, 3, number));
    const auto folder = state->folder / ("changes" + std::to_string(number));
    std::filesystem::create_directory(folder);
    const auto begins = std::make_shared<operation>(layer::changes, "watch", number, folder);
    auto changes = co_await fs::watch(folder);
    if (!succeeds(*begins, changes, "watch()")) co_return;
    begins->pause(true);
    known_paths known;
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto mine = std::make_shared<operation>(layer::changes, "changes", i, folder);
        const auto seed = random.below(SIZE_MAX);
        auto work = eddy::spawn_blocking([=, kept = mine] { change(folder, seed); });
        const auto changed = co_await work;
        if (!succeeds(*mine, changed, "change()")) co_return;
        mine->doing("reads the changes, until they lead to what is there");
        while (known.all() != paths_below(folder)) {
            // A dropped next() loses no change.
            auto next = co_await eddy::time::timeout(std::chrono::microseconds(random.below(3000)), changes->next());
            if (!next) continue;
            if (!*next) watch::get().fail(*mine, "the stream has ended");
            if (!*next || !succeeds(*mine, **next, "watch()")) co_return;
            mine->moved(1);
            known.apply(***next);
        }
        mine->end(outcome::done);
    }
}

}  // namespace soak
