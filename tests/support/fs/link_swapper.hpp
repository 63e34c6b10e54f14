// SPDX-License-Identifier: MIT
#pragma once

#ifdef __linux__  // exchanges two names
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/fs/renaming_process.hpp"
#include "support/random_tree.hpp"
#include "support/temp_dir.hpp"

namespace support {

/// A tree, and a process that exchanges its directories with symbolic links that lead out of the tree.
class link_swapper {
public:
    link_swapper() {
        for (const auto* name : {"tree", "links", "outside"}) std::filesystem::create_directory(temp_ / name);
        std::vector<std::array<std::string, 2>> pairs;
        for (int i = 0; i < directories; ++i) {
            const auto name = std::to_string(i);
            std::filesystem::create_directories(temp_ / ("tree/" + name + "/below"));
            std::filesystem::create_directories(temp_ / ("outside/below"));
            for (int file = 0; file < files; ++file) {
                put_file(temp_ / ("tree/" + name + "/" + std::to_string(file)), "tree");
                put_file(temp_ / ("tree/" + name + "/below/" + std::to_string(file)), "tree");
            }
            std::filesystem::create_directory_symlink(temp_ / "outside", temp_ / ("links/" + name));
            pairs.push_back({temp_ / ("tree/" + name), temp_ / ("links/" + name)});
        }
        for (const std::string folder : {"outside/", "outside/below/"}) {
            for (int file = 0; file < files; ++file) put_file(temp_ / (folder + std::to_string(file)), "outside");
            put_file(temp_ / (folder + "outside"), "outside");  // no name in the tree
        }
        exchanges_.emplace(std::move(pairs), renaming_process::turn::exchange);
    }

    [[nodiscard]] std::string tree() const { return temp_ / "tree"; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return temp_ / name; }

    /// Returns whether nothing outside of the tree was removed, added or written.
    [[nodiscard]] bool outside_is_whole() const {
        const auto command =
            "cd " + (temp_ / "outside") + " && find . -type f -printf x | wc -c && cat [0-9]* outside below/*";
        return output_of(command) == std::to_string(files_outside) + "\n" + text_of_all();
    }

private:
    static constexpr int directories = 30;
    static constexpr int files = 5;
    static constexpr int files_outside = 2 * (files + 1);

    static std::string text_of_all() {
        std::string text;
        for (int i = 0; i < files_outside; ++i) text += "outside";
        return text;
    }

    temp_dir temp_;
    std::optional<renaming_process> exchanges_;
};

}  // namespace support
#endif
