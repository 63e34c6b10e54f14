// SPDX-License-Identifier: MIT
// watch(): random changes, and a list of names that a program keeps by what the stream says.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/random_tree.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

namespace {

namespace fs = eddy::fs;
using std::filesystem::create_directory;
using support::put_file;
using texts = std::vector<std::string>;

/// The names below a folder, as a program sees them that knows only the changes.
class replica {
public:
    void apply(const fs::change& change) {
        switch (change.kind) {
        case fs::change_kind::created: names_.insert(change.path); return;
        case fs::change_kind::removed: extract(change.path); return;
        case fs::change_kind::renamed: {
            const auto moved = extract(change.old_path);
            extract(change.path);
            names_.insert(change.path);
            for (const auto& name : moved) names_.insert(change.path / name.lexically_relative(change.old_path));
            names_.erase(change.path / ".");
            return;
        }
        case fs::change_kind::rescan: ADD_FAILURE() << "rescan: " << change.reason.message(); return;
        default: return;
        }
    }
    [[nodiscard]] const std::set<std::filesystem::path>& names() const { return names_; }

private:
    /// Removes a name and all below it, and returns them.
    std::vector<std::filesystem::path> extract(const std::filesystem::path& name) {
        std::vector<std::filesystem::path> taken;
        for (auto at = names_.begin(); at != names_.end();) {
            const bool is_below = *at == name || at->native().starts_with(name.native() + "/");
            if (is_below) taken.push_back(*at);
            at = is_below ? names_.erase(at) : std::next(at);
        }
        return taken;
    }

    std::set<std::filesystem::path> names_;
};

/// Makes random changes in a folder.
void make_changes(const std::string& base, std::uint64_t seed, int count) {
    std::mt19937_64 dice(seed);
    const auto name = [&] {
        std::string path = base;
        for (auto levels = 1 + dice() % 3; levels > 0; --levels)
            path += "/" + std::string(1, static_cast<char>('a' + dice() % 3));
        return path;
    };
    std::error_code ignored;  // most names do not exist
    for (; count > 0; --count) {
        const auto path = name();
        switch (dice() % 6) {
        case 0:
        case 1: std::filesystem::create_directory(path, ignored); break;
        case 2: std::ofstream(path).put('x'); break;
        case 3: std::filesystem::rename(path, name(), ignored); break;
        case 4: std::filesystem::remove(path, ignored); break;
        case 5:
            if (dice() % 4 == 0) std::filesystem::remove_all(path, ignored);
            break;
        }
    }
}

std::set<std::filesystem::path> names_below(const std::string& base) {
    std::set<std::filesystem::path> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(base)) names.insert(entry.path());
    return names;
}

texts differences(const std::set<std::filesystem::path>& seen, const std::set<std::filesystem::path>& expected) {
    texts all;
    for (const auto& name : seen)
        if (!expected.contains(name)) all.push_back("not there: " + name.string());
    for (const auto& name : expected)
        if (!seen.contains(name)) all.push_back("not seen: " + name.string());
    return all;
}

/// Reads the changes until the file `last` has appeared.
eddy::task<void> follow(fs::change_stream& changes, replica& of, std::filesystem::path last) {
    while (auto change = co_await changes.next()) {
        of.apply(change->value());
        if ((*change)->kind == fs::change_kind::created && (*change)->path == last) co_return;
    }
}

/// A change that was read before a file has appeared may cause a scan after it. There are at most as many scans as
/// names of directories, and one of them before the next file.
void follow_to_the_end(eddy::core& loop, fs::change_stream& changes, replica& of, const std::string& base) {
    for (int i = 0; i < 40; ++i) {
        const auto last = base + "/last" + std::to_string(i);
        put_file(last, "");
        loop.run(follow(changes, of, last));
    }
}

TEST(FsWatchStress, ReplicaIsEqualAfterBurstsOfChanges) {
    for (auto round = support::rounds(1000); round > 0; --round) {
        const support::temp_dir temp;
        create_directory(temp / "base");
        eddy::core loop;
        auto changes = loop.run(fs::watch(temp / "base")).value();
        replica seen;
        make_changes(temp / "base", support::seed() + round, 300);
        follow_to_the_end(loop, changes, seen, temp / "base");
        ASSERT_EQ(differences(seen.names(), names_below(temp / "base")), texts()) << "round " << round;
    }
}

// The replica may differ: watch() says that a directory that is renamed while it is added may be missed.
TEST(FsWatchStress, ChangesOfAnotherThreadDoNotEndTheStream) {
    for (auto round = support::rounds(1000); round > 0; --round) {
        const support::temp_dir temp;
        create_directory(temp / "base");
        eddy::core loop;
        auto changes = loop.run(fs::watch(temp / "base")).value();
        replica seen;
        std::thread other([&] {
            make_changes(temp / "base", support::seed() + round, 1000);
            put_file(temp / "base/end", "");
        });
        loop.run(follow(changes, seen, temp / "base/end"));
        other.join();
        follow_to_the_end(loop, changes, seen, temp / "base");
        ASSERT_TRUE(seen.names().contains(temp / "base/end"));
    }
}

}  // namespace
