// SPDX-License-Identifier: MIT
// Trees of directories: eddy::fs beside find, cp and rm, in turn, in one run.
//     $ bench_trees [FOLDER]
// Prints a line for each case: the best one of several runs each, and the ratio of the times.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

namespace {

namespace fs = eddy::fs;
using bench_clock = std::chrono::steady_clock;
using eddy::try_;

constexpr int directories = 1000, files = 100;

void check(bool is_right, const char* what) {
    if (is_right) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
}

void command(const std::string& text) { check(std::system(text.c_str()) == 0, text.c_str()); }

void make_tree(const std::string& path) {
    for (int i = 0; i < directories; ++i) {
        if (i % 10 == 0) command("mkdir -p " + path + "/" + std::to_string(i / 10));
        const auto folder = path + "/" + std::to_string(i / 10) + "/" + std::to_string(i);
        check(::mkdir(folder.c_str(), 0700) == 0, "mkdir");
        for (int file = 0; file < files; ++file) std::ofstream(folder + "/" + std::to_string(file)) << file;
    }
}

double seconds_of(const std::function<void()>& work) {
    const auto begin = bench_clock::now();
    work();
    return std::chrono::duration<double>(bench_clock::now() - begin).count();
}

/// Prints the best times of both, which run in turn. `prepare` is not measured.
void compare(const char* name, int runs, const std::function<void()>& prepare, const std::function<void()>& program,
             const std::function<void()>& eddy) {
    double best_program = 1e9, best_eddy = 1e9;
    for (int i = 0; i < runs; ++i) {
        prepare();
        best_program = std::min(best_program, seconds_of(program));
        prepare();
        best_eddy = std::min(best_eddy, seconds_of(eddy));
    }
    std::printf("%-28s program %7.1f ms  eddy %7.1f ms  time x %.2f\n", name, best_program * 1e3, best_eddy * 1e3,
                best_eddy / best_program);
    std::fflush(stdout);
}

eddy::task<fs::result<std::size_t>> count_entries(std::string tree) {
    std::size_t count = 0;
    auto batches = fs::walk(tree, fs::walk_options().metadata(true));
    while (auto batch = co_await try_(batches.try_next())) count += batch->entries.size();
    co_return count;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string folder = argc > 1 ? argv[1] : ".";
    const auto tree = folder + "/bench_trees.data", copy = folder + "/bench_trees.copy";
    command("rm -rf " + tree + " " + copy);
    make_tree(tree);
    eddy::runtime pool;
    // On a worker: block_on() itself polls on this thread.
    const auto run = [&](auto work) { return pool.block_on(pool.spawn(std::move(work))).value(); };
    const auto nothing = [] {};
    const auto remove_copy = [&] { command("rm -rf " + copy); };
    const auto make_copy = [&] { command("rm -rf " + copy + " && cp -a " + tree + " " + copy); };
    compare(
        "walk with metadata, find", 10, nothing,
        [&] { command("find " + tree + " -printf '%p %s %m %U %T@\\n' > /dev/null"); },
        [&] { check(run(count_entries(tree)).value() == directories * (files + 1) + directories / 10, "walk"); });
    compare(
        "copy_tree, cp -a", 3, remove_copy, [&] { command("cp -a " + tree + " " + copy); },
        [&] { check(run(fs::copy_tree(tree, copy)).has_value(), "copy_tree"); });
    compare("remove_all, rm -rf", 5, make_copy, remove_copy,
            [&] { check(run(fs::remove_all(copy)).has_value(), "remove_all"); });
    command("rm -rf " + tree + " " + copy);
}
