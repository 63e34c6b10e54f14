// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>
#include <support/temp_dir.hpp>

namespace support {

namespace fs = eddy::fs;

/// Says what a change is, relative to `base`: "renamed a/x to a/y".
inline std::string text_of(const fs::change& change, const std::string& base) {
    static const std::map<fs::change_kind, std::string> names = {
        {fs::change_kind::created, "created"}, {fs::change_kind::modified, "modified"},
        {fs::change_kind::closed, "closed"},   {fs::change_kind::metadata, "metadata"},
        {fs::change_kind::removed, "removed"}, {fs::change_kind::renamed, "renamed"},
        {fs::change_kind::rescan, "rescan"},
    };
    const auto below = [&](const std::filesystem::path& path) {
        return path == base ? "." : path.lexically_relative(base).string();
    };
    std::string text = names.at(change.kind) + " ";
    if (change.kind == fs::change_kind::renamed) text += below(change.old_path) + " to ";
    return text + below(change.path) + (change.is_directory ? "/" : "");
}

/// A folder, and a stream of its changes.
class watched_folder {
public:
    explicit watched_folder(std::vector<std::string> before = {}) {
        for (const auto& name : before) std::filesystem::create_directory(temp_ / name);
    }

    /// Begins to watch some names in the folder; "." is the folder.
    void watch(const std::vector<std::string>& names = {"."}, fs::watch_options options = {}) {
        std::vector<std::filesystem::path> paths;
        for (const auto& name : names) paths.emplace_back(name == "." ? base() : temp_ / name);
        changes_.emplace(loop_.run(fs::watch(std::move(paths), options)).value());
    }

    /// Returns the next changes, until one of `last`, which is included.
    std::vector<std::string> until(const std::string& last) {
        std::vector<std::string> all;
        while (all.empty() || all.back() != last) {
            auto next = loop_.run(changes_->next());
            if (!next) {
                all.emplace_back("end");
                break;
            }
            all.push_back(text_of(next->value(), base()));
        }
        return all;
    }
    fs::change next() { return loop_.run(changes_->next()).value().value(); }
    bool has_ended() { return !loop_.run(changes_->next()); }

    [[nodiscard]] std::string operator/(const std::string& name) const { return temp_ / name; }
    [[nodiscard]] std::string base() const {
        auto path = temp_ / "";
        path.pop_back();
        return path;
    }

private:
    temp_dir temp_;
    eddy::core loop_;
    std::optional<fs::change_stream> changes_;
};

}  // namespace support
