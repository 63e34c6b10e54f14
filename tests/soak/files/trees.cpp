// SPDX-License-Identifier: MIT
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/fs.hpp>
#include <eddy/task.hpp>

#include "support/random_tree.hpp"
#include "work.hpp"

namespace soak {
namespace {

using eddy::task;
namespace fs = eddy::fs;
using of_work = std::shared_ptr<operation>;
using std::filesystem::path;

/// Returns what is below a folder, as other programs see it. The size of a directory depends on the order in which its
/// entries were made.
std::string listing(const path& of) {
    const auto in = "cd '" + of.native() + "' && ";
    return support::output_of(
               in + "find . \\( -type d -printf '%P|%y|%m\\n' -o -printf '%P|%y|%m|%s|%l\\n' \\) | LC_ALL=C sort") +
           support::output_of(in + "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum");
}

/// Counts the entries below a folder by walk(). Returns nullopt if the runtime ends.
task<std::optional<std::size_t>> count_entries(of_work mine, path of) {
    std::size_t count = 0;
    auto batches = fs::walk(std::move(of));
    while (auto batch = co_await batches.next()) {
        if (!succeeds(*mine, *batch, "walk()")) co_return std::nullopt;
        count += (*batch)->entries.size();
        mine->moved(0);
    }
    co_return count;
}

task<bool> copy_and_compare(of_work mine, path from, path to) {
    mine->doing("copies the tree");
    const auto copied = co_await fs::copy_tree(from, to);
    if (!succeeds(*mine, copied, "copy_tree()")) co_return false;
    mine->doing("walks through the trees");
    const auto of_source = co_await count_entries(mine, from);
    const auto of_copy = co_await count_entries(mine, to);
    if (!of_source || !of_copy) co_return false;
    if (of_source != of_copy) watch::get().fail(*mine, "walk() has found another number of entries in the copy");
    mine->doing("compares the trees");
    auto compares = eddy::spawn_blocking([from, to, kept = mine] { return listing(from) == listing(to); });
    const auto is_same = co_await compares;
    if (!succeeds(*mine, is_same, "find")) co_return false;
    if (!*is_same) watch::get().fail(*mine, "the copy is not like the tree");
    co_return true;
}

task<bool> remove(of_work mine, path what) {
    mine->doing("removes the tree");
    const auto removed = co_await fs::remove_all(what);
    if (!succeeds(*mine, removed, "remove_all()")) co_return false;
    if (std::filesystem::exists(std::filesystem::symlink_status(what)))
        watch::get().fail(*mine, "remove_all() has left the tree");
    co_return true;
}

/// Removes a tree, at the second attempt if the first one is dropped.
task<void> remove_in_steps(path what, std::uint64_t number, drop_plan plan) {
    const auto first = std::make_shared<operation>(layer::trees, "remove", number, what);
    auto is_done = co_await run_one(first, remove(first, what), plan);
    if (is_done) co_return;
    const auto second = std::make_shared<operation>(layer::trees, "remove again", number, what);
    auto done = co_await remove(second, what);
    if (done) second->end(outcome::done);
}

}  // namespace

task<void> run_trees(std::shared_ptr<file_state> state, unsigned number) {
    support::dice random(mix(state->seed, 2, number));
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto name = "tree" + std::to_string(number) + "." + std::to_string(i);
        const auto from = state->folder / name;
        const auto to = state->folder / (name + ".copy");
        const auto mine = std::make_shared<operation>(layer::trees, "copy", i, from);
        const auto seed = random.below(SIZE_MAX);
        const auto count = static_cast<int>(random.below(120));
        const auto levels = static_cast<int>(random.between(1, 12));
        auto makes =
            eddy::spawn_blocking([=, kept = mine] { support::random_tree(seed).make(from.native(), count, levels); });
        const auto made = co_await makes;
        if (!succeeds(*mine, made, "random_tree")) co_return;
        const drop_plan plan(random, state->drops_one_in);
        static_cast<void>(co_await run_one(mine, copy_and_compare(mine, from, to), plan));
        co_await remove_in_steps(from, i, drop_plan(random, state->drops_one_in));
        if (plan.how == drop_plan::kind::never) co_await remove_in_steps(to, i, plan);
    }
}

}  // namespace soak
