// SPDX-License-Identifier: MIT
// Prints the changes below a directory, for watch_inotifywait.py: the kind, the path, and the path before a rename.
#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>

namespace {

namespace fs = eddy::fs;

eddy::task<fs::result<void>> print_changes(std::filesystem::path below) {
    constexpr std::array kinds{"created", "modified", "closed", "metadata", "removed", "renamed", "rescan"};
    auto changes = co_await eddy::try_(fs::watch(std::move(below)));
    std::puts("watching");
    std::fflush(stdout);
    while (auto change = co_await eddy::try_(changes.try_next())) {
        std::printf("%s\t%s\t%s\n", kinds.at(static_cast<std::size_t>(change->kind)), change->path.c_str(),
                    change->old_path.c_str());
        std::fflush(stdout);
    }
    co_return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    return eddy::run(print_changes(argv[1]));
}
