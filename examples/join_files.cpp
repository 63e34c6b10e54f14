// SPDX-License-Identifier: MIT
// Joins the files that match a pattern, and replaces another file by them. After an error, nothing is left.
//     $ ./join_files all.txt 'docs/**/*.md'
//     all.txt has 42 files
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>
#include <utility>

namespace {

namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

// docs: join files
task<fs::result<int>> join_files(std::filesystem::path to, std::string pattern) {
    auto temp = co_await try_(fs::named_temp_file::create(absolute(to).parent_path()));  // in the same file system
    auto paths = fs::glob(std::move(pattern));
    int count = 0;
    for (; auto path = co_await paths.next(); ++count) {
        const auto name = co_await try_(std::move(*path));
        auto from = co_await try_(fs::file::open(name));
        co_await try_(fs::send_file(temp.opened(), from));
    }
    co_await try_(temp.persist(to));  // the destructor would remove it
    co_return count;
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    std::filesystem::path to;
    std::string pattern;
    CLI::App app{"Joins the files that match a pattern."};
    app.add_option("to", to)->required();
    app.add_option("pattern", pattern)->required();
    CLI11_PARSE(app, argc, argv);
    return eddy::run([&]() -> task<fs::result<void>> {
        const int count = co_await try_(join_files(to, pattern));
        fmt::print("{} has {} files\n", to.string(), count);
        co_return {};
    });
}
