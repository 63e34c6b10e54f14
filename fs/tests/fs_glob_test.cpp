// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/file_contents.hpp>
#include <support/fs/other_user.hpp>
#include <support/random_tree.hpp>
#include <support/temp_dir.hpp>

// Paths that match a pattern; the oracles are Python's glob and bash.

namespace {

namespace fs = eddy::fs;
using paths = std::vector<std::string>;

/// Returns what glob() finds, in its order. Errors have their message.
paths found_by_glob(std::string pattern) {
    eddy::runtime runs;  // its threads have the rights of this one
    return runs.block_on([](std::string of) -> eddy::task<paths> {
        paths all;
        auto found = fs::glob(std::move(of));
        while (auto path = co_await found.next())
            all.push_back(*path ? (*path)->string() : "error: " + path->error().message());
        co_return all;
    }(std::move(pattern)));
}

paths lines_of(const std::string& text) {
    paths all;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        all.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return all;
}

/// A tree with names that are special in patterns.
class GlobTree : public testing::Test {
protected:
    void SetUp() override {
        for (const char* name : {"a", "a/b", "a/b/a", "a/.h", "b1", "b2", "b2/c", "[x]", ".hidden", "e", "\xc3\xa4"})
            std::filesystem::create_directory(dir_ / name);
        for (const char* name :
             {"a/x.txt", "a/b/x.txt", "a/b/a/y", "a/.h/x.txt", "b1/x.cpp", "b1/y.hpp", "b2/c/x.txt", "[x]/]", "[x]/-",
              "[x]/*", "[x]/a*b", ".hidden/x.txt", ".dot", "x.txt", "z", "\xc3\xa4/\xc3\xb6", "a/\xff", "a/a-b"})
            std::ofstream(dir_ / name).put('x');
        std::filesystem::create_symlink("a", dir_ / "link");
        std::filesystem::create_symlink("nothing", dir_ / "dangling");
    }

    void put_script(const std::string& text) { support::set_contents(script_, text); }

    const support::temp_dir dir_;
    const support::temp_dir scripts_;
    const std::string script_ = scripts_ / "script";
};

constexpr auto patterns = std::to_array<std::string_view>(
    {"*",         "?",           "*/",         "*/*",       "*/*/",        "a/*",
     "a/x.txt",   "a/x*",        "a/*/x.txt",  "**",        "**/",         "**/*",
     "a/**",      "**/a/**",     "**/x.txt",   "**/b/*",    "**/b/**",     "*/**",
     "**/**",     "**/**/x.txt", "**/a",       ".*",        ".*/*",        "a/.*",
     "a/.*/*",    "**/.h/*",     "b[12]/*",    "b[!1]",     "b[0-1]/?.*",  "[[]x]/*",
     "[[]x]/[]]", "[[]x]/[!]]",  "[[]x]/[a-]", "[[]x]/[*]", "[[]x]/a[*]b", "[",
     "[]",        "[!]",         "[a",         "link/*",    "*/x.txt",     "dangling",
     "dang*",     "*/b/../*",    "./*",        "b1/../*",   "a//x*",       "?.txt",
     "z/*",       "z/",          "x.txt/",     "link/",     "*?*",         "**x",
     "a/**/a/*",  "nothing/*",   "**/c/**/*",  "[a-b]*/**", "?/?",         "[\xc3\xa0-\xc3\xb6]",
     "a/[\xff]",  "a/?"});

/// Returns the sorted lines that a program prints for each pattern. It gets the patterns as arguments, in the tree, and
/// prints a line "=" before the paths of each.
std::vector<paths> found_by(const std::string& program, const support::temp_dir& in) {
    std::string command = "cd " + in / "" + " && " + program;
    for (const std::string_view pattern : patterns) command += " '" + std::string(pattern) + "'";
    std::vector<paths> all;
    for (auto& line : lines_of(support::output_of(command))) {
        if (line == "=")
            all.emplace_back();
        else
            all.back().push_back(std::move(line));
    }
    return all;
}

/// Sorts paths, without those that do not exist, which a shell returns if a pattern matches nothing, and with one
/// manner of slashes.
paths normal(const paths& from, const std::string& top, bool has_slash) {
    paths all;
    for (const auto& each : from) {
        std::error_code error;
        const auto relative = each.starts_with(top) ? each.substr(top.size()) : each;
        if (relative.empty() || !exists(symlink_status(std::filesystem::path(top + relative), error))) continue;
        auto path = std::filesystem::path(relative).lexically_normal().string();
        if (!has_slash && path.ends_with('/')) path.pop_back();
        all.push_back(std::move(path));
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());  // `**` may match in several ways
    return all;
}

void expect_same(const std::vector<paths>& expected, const support::temp_dir& in) {
    ASSERT_EQ(expected.size(), patterns.size());
    const auto top = in / "";
    for (std::size_t i = 0; i < patterns.size(); ++i) {
        const bool has_slash = patterns[i].ends_with('/');
        const auto found = found_by_glob(top + std::string(patterns[i]));
        EXPECT_EQ(normal(found, top, has_slash), normal(expected[i], top, has_slash)) << patterns[i];
        EXPECT_EQ(std::set(found.begin(), found.end()).size(), found.size()) << patterns[i];
        for (const auto& each : found) EXPECT_EQ(each.ends_with('/'), has_slash) << each;
    }
}

// covers: P116
TEST_F(GlobTree, FindsWhatBashFinds) {
    put_script(
        "shopt -s globstar nullglob globskipdots 2>/dev/null\n"
        "LC_ALL=C.UTF-8; IFS=\nfor pattern; do echo =; printf '%s\\n' $pattern; done\n");
    expect_same(found_by("bash " + script_, dir_), dir_);
}

TEST_F(GlobTree, FindsWhatPythonsGlobFinds) {
    // Python's `**` follows symbolic links, and it has neither `[^` nor a backslash.
    std::filesystem::remove(dir_ / "link");
    put_script(
        "import glob, os, sys\n"
        "for pattern in sys.argv[1:]:\n"
        "  found = map(os.fsencode, glob.glob(pattern, recursive=True))\n"
        "  sys.stdout.buffer.write(b'=\\n' + b''.join(each + b'\\n' for each in found))\n");
    expect_same(found_by("python3 -X utf8 " + script_, dir_), dir_);
}

TEST_F(GlobTree, PathsOfADirectoryAreSortedAndComeFirst) {
    EXPECT_EQ(found_by_glob(dir_ / "a/**/*[at]"), (paths{dir_ / "a/x.txt", dir_ / "a/b/a", dir_ / "a/b/x.txt"}));
    EXPECT_EQ(found_by_glob(dir_ / "b?/*"), (paths{dir_ / "b1/x.cpp", dir_ / "b1/y.hpp", dir_ / "b2/c"}));
}

TEST_F(GlobTree, BackslashMakesACharacterLiteral) {
    EXPECT_EQ(found_by_glob(dir_ / "\\[x\\]/\\*"), (paths{dir_ / "[x]/*"}));
    EXPECT_EQ(found_by_glob(dir_ / "\\[x]/a\\*?"), (paths{dir_ / "[x]/a*b"}));
    EXPECT_EQ(found_by_glob(dir_ / "\\[*/[\\]]"), (paths{dir_ / "[x]/]"}));
    EXPECT_EQ(found_by_glob(dir_ / "\\.dot*"), (paths{dir_ / ".dot"}));
}

TEST_F(GlobTree, UnreadableDirectoryIsAnErrorAndTheSearchGoesOn) {
    ::chmod((dir_ / "b1").c_str(), 0111);
    const auto search = [&] {
        EXPECT_EQ(found_by_glob(dir_ / "b?/*"),
                  (paths{"error: read " + dir_ / "b1" + ": Permission denied", dir_ / "b2/c"}));
        EXPECT_EQ(found_by_glob(dir_ / "b?/y.hpp"), (paths{dir_ / "b1/y.hpp"}));  // is looked up
    };
    if (::geteuid() != 0) {
        search();
    } else {
        ::chmod((dir_ / "").c_str(), 0755);
        support::as_other_user(search);
    }
    ::chmod((dir_ / "b1").c_str(), 0755);
}

TEST_F(GlobTree, ManyPathsAndDirectoriesAreFoundInSeveralJobs) {
    for (int i = 100; i < 200; ++i) {
        const auto name = dir_ / ("many/" + std::to_string(i));
        std::filesystem::create_directories(name);
        for (int j = 10; j < 20; ++j) std::ofstream(name + "/" + std::to_string(j)).put('x');
    }
    const auto jobs = fs::metrics().jobs;
    const auto found = found_by_glob(dir_ / "many/*/*");
    EXPECT_EQ(found.size(), 1000U);
    EXPECT_EQ(found.back(), dir_ / "many/199/19");
    EXPECT_EQ(fs::metrics().jobs - jobs, 2U);
}

TEST(FsGlob, BadPatternIsAnError) {
    EXPECT_EQ(found_by_glob("").size(), 1U);
    EXPECT_TRUE(found_by_glob("").front().starts_with("error: glob"));
    EXPECT_TRUE(found_by_glob(std::string("a\0*", 3)).front().starts_with("error: glob"));
}

TEST(FsGlob, RootIsFound) {
    EXPECT_EQ(found_by_glob("/"), paths{"/"});
    EXPECT_EQ(found_by_glob("/de[v]"), paths{"/dev"});
    EXPECT_EQ(found_by_glob("/./de[v]/"), paths{"/./dev/"});
}

TEST(FsGlob, NameMatchesPattern) {
    EXPECT_TRUE(fs::matches_glob("*.cpp", "a.cpp"));
    EXPECT_FALSE(fs::matches_glob("*.cpp", "a.cppx"));
    EXPECT_FALSE(fs::matches_glob("*", ".a"));
    EXPECT_TRUE(fs::matches_glob("a*b*c", "aXbYbZc"));
    EXPECT_FALSE(fs::matches_glob("a*b*c", "aXbYbZ"));
    EXPECT_TRUE(fs::matches_glob("", ""));
    EXPECT_FALSE(fs::matches_glob("", "a"));
    EXPECT_TRUE(fs::matches_glob("[b-d]", "d"));
    EXPECT_FALSE(fs::matches_glob("[b-d]", "e"));
    EXPECT_FALSE(fs::matches_glob("[b-d]", "a"));
    EXPECT_TRUE(fs::matches_glob("[^b-d]", "a"));
    EXPECT_TRUE(fs::matches_glob("[a-]", "-"));
    EXPECT_TRUE(fs::matches_glob("[\\]-a]", "^"));  // from ']' to 'a'
    EXPECT_TRUE(fs::matches_glob("x\\", "x\\"));
}

}  // namespace
