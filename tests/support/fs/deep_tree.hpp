// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/dice.hpp"
#include "support/random_tree.hpp"

// Trees of many levels. Their names are short, so that the programs they are compared with can use their paths.

namespace support {

/// Creates a chain of `levels` directories below `path`, which exists. Returns the path of the last one.
inline std::string make_chain(std::string path, std::size_t levels) {
    for (; levels > 0; --levels) {
        path += "/d";
        std::filesystem::create_directory(path);
    }
    return path;
}

/// Creates a chain of `stem` directories that begins with `path`, and two chains of `branch` directories in the last
/// one, with a file at the end of each. Returns the paths of the two files.
inline std::vector<std::string> make_fork(const std::string& path, std::size_t stem, std::size_t branch) {
    std::filesystem::create_directory(path);
    const auto fork = make_chain(path, stem);
    std::vector<std::string> files;
    for (const auto* name : {"/x", "/y"}) {
        std::filesystem::create_directory(fork + name);
        files.push_back(make_chain(fork + name, branch) + "/file");
        put_file(files.back(), name);
    }
    return files;
}

/// Creates a random tree of at most `levels` levels: chains of directories that begin in directories of others, at any
/// depth, with files and symbolic links in them, and second names of the files.
inline void make_deep_tree(const std::string& path, dice& random, std::size_t levels) {
    struct place {
        std::string path;
        std::size_t depth;

        place(std::string its_path, std::size_t its_depth) noexcept : path(std::move(its_path)), depth(its_depth) {}
    };
    std::filesystem::create_directory(path);
    std::vector<place> places(1, place(path, 0));
    std::string last;  // a file
    for (int chain = 0; chain < 6; ++chain) {
        // Half of them begin near the top, so that several are deep.
        const auto ends = random.one_in(2) ? std::min<std::size_t>(places.size(), 3) : places.size();
        place at = places[random.below(ends)];
        at.path += "/" + std::to_string(chain);
        if (at.depth < levels) std::filesystem::create_directory(at.path);
        for (auto left = random.between(0, levels - at.depth); left > 0; --left) {
            ++at.depth;
            places.push_back(at);
            const auto entry = at.path + "/f" + std::to_string(chain);
            switch (random.below(6)) {
            case 0: put_file(last = entry, entry); break;
            case 1: std::filesystem::create_symlink("/etc", entry); break;
            case 2:
                if (!last.empty()) std::filesystem::create_hard_link(last, entry);
                break;
            default: break;
            }
            at.path += "/d";
            if (left > 1) std::filesystem::create_directory(at.path);
        }
    }
}

}  // namespace support
