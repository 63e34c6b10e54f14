// SPDX-License-Identifier: MIT
// Searches all files below a directory for a text, sixteen files at the same time. A progress line shows on a terminal.
//     $ ./grep_tree main examples
//     examples/grep_tree.cpp:112: int main(int argc, char** argv) {
//     ...
//     62 files, 131 lines found
#include <eddy/fs.hpp>
#include <eddy/prelude.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace fs = eddy::fs;
using eddy::task;
using eddy::try_;

// All of this runs in one task, so the counts need no lock.
struct progress {
    int files = 0;
    int lines = 0;
    int errors = 0;

    void report(const fs::error& error) {
        ++errors;
        std::fprintf(stderr, "%s\n", error.message().c_str());
    }
};

/// A file that was found: its directory, which is open, and its name in it.
struct found_file {
    fs::dir in;
    std::string name;

    found_file(fs::dir its_dir, std::string its_name) : in(std::move(its_dir)), name(std::move(its_name)) {}
};

// docs: walk a tree
/// Yields all regular files below a directory, except hidden ones and those in hidden directories.
eddy::async_generator<found_file> files_below(std::filesystem::path top, progress& seen) {
    const auto is_shown = [](const auto&, const fs::walk_entry& entry) { return !entry.name.starts_with('.'); };
    const auto is_text = [](const auto&, const fs::walk_entry& entry) {
        return entry.type == std::filesystem::file_type::regular && !entry.name.starts_with('.');
    };
    auto batches = fs::walk(std::move(top), fs::walk_options().enter(is_shown).only(is_text));
    while (auto batch = co_await batches.next()) {
        if (!*batch) {
            seen.report(batch->error());  // one directory could not be read; the walk goes on
            continue;
        }
        for (auto& entry : (*batch)->entries) co_yield found_file((*batch)->directory, std::move(entry.name));
    }
}
// docs: end

/// Prints the lines of a file that contain the pattern. Files with a NUL are skipped.
task<fs::result<void>> search(found_file where, std::string_view pattern, progress& seen) {
    auto file = co_await try_(where.in.open(where.name));
    std::string text;
    const auto size = co_await eddy::io::read_to_end(file, text);
    if (!size) co_return std::unexpected(fs::error(size.error(), "read", file.path()));
    ++seen.files;
    if (text.contains('\0')) co_return {};
    std::string_view left = text;
    for (int number = 1; !left.empty(); ++number) {
        const auto line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(line.size() + 1, left.size()));
        if (!line.contains(pattern)) continue;
        ++seen.lines;
        std::printf("%s:%d: %.*s\n", file.path().c_str(), number, static_cast<int>(line.size()), line.data());
    }
    co_return {};
}

task<void> search_all(std::filesystem::path top, std::string_view pattern, progress& seen) {
    auto searches = files_below(std::move(top), seen)
                        .map([&](found_file where) { return search(std::move(where), pattern, seen); })
                        .buffer_unordered(16);
    while (auto done = co_await searches.next()) {
        if (!*done) seen.report(done->error());
    }
}

/// Shows how far the search is, ten times a second. It never ends.
task<void> show(const progress& seen) {
    auto every = eddy::time::interval(100ms);
    for (;;) {
        co_await every.tick();
        std::fprintf(stderr, "\r%d files, %d lines found ", seen.files, seen.lines);
    }
}

task<int> async_main(std::filesystem::path top, std::string_view pattern) {
    progress seen;
    if (::isatty(2) != 0) {
        co_await eddy::select(search_all(std::move(top), pattern, seen), show(seen));
        std::fprintf(stderr, "\r");
    } else {
        co_await search_all(std::move(top), pattern, seen);
    }
    std::fprintf(stderr, "%d files, %d lines found\n", seen.files, seen.lines);
    co_return seen.errors != 0 ? 2 : seen.lines != 0 ? 0 : 1;  // as grep
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s TEXT DIRECTORY\n", argv[0]);
        return 2;
    }
    return eddy::run(async_main(argv[2], argv[1]));
}
