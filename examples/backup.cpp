// SPDX-License-Identifier: MIT
// Copies a directory, and then writes a list of the copied files beside the copy. A copy without a list is not
// complete: the list is written atomically, as the last step.
//     $ ./backup src src.2026-11-29
//     215 copied
//     $ head -n 1 src.2026-11-29.list
//     4382 task/scope.cpp
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

// docs: list files
/// Returns a line with the size and the path of each file below a directory, in the order of the lines.
task<fs::result<std::string>> list_files(std::filesystem::path top) {
    std::vector<std::string> lines;
    auto batches = fs::walk(top, fs::walk_options().metadata(true));
    while (auto batch = co_await try_(batches.try_next())) {
        const auto folder = batch->directory.path().lexically_relative(top);
        for (const auto& entry : batch->entries) {
            if (!entry.metadata || !entry.metadata->is_regular()) continue;
            const auto path = (folder / entry.name).lexically_normal();
            lines.push_back(std::to_string(entry.metadata->size) + " " + path.string() + "\n");
        }
    }
    std::ranges::sort(lines);
    std::string text;
    for (const auto& line : lines) text += line;
    co_return text;
}
// docs: end

// docs: back up
task<fs::result<void>> back_up(std::filesystem::path from, std::filesystem::path to) {
    const auto list = to.string() + ".list";
    const auto copied = co_await try_(fs::copy_tree(from, to));
    const auto files = co_await try_(list_files(to));
    co_await try_(fs::write_atomically(list, files));
    std::printf("%llu copied\n", static_cast<unsigned long long>(copied));
    co_return {};
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s DIRECTORY COPY\n", argv[0]);
        return 2;
    }
    return eddy::run(back_up(argv[1], argv[2]));
}
