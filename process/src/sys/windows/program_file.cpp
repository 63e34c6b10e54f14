// SPDX-License-Identifier: MIT
#include "sys/windows/program_file.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>

#include "sys/path_text.hpp"
#include "sys/socket_api.hpp"

namespace eddy::sys {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) noexcept {
    const DWORD found = ::GetFileAttributesW(path.c_str());
    return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/// Returns the value of PATH in an environment; "" if there is none.
std::string_view path_in(const std::vector<std::string>& environment) {
    const auto is_path = [](const std::string& each) {
        const auto name = each.substr(0, each.find('='));
        return !variable_precedes(name, "PATH") && !variable_precedes("PATH", name);
    };
    const auto found = std::ranges::find_if(environment, is_path);
    return found == environment.end() ? std::string_view()
                                      : std::string_view(*found).substr(std::string_view("PATH=").size());
}

fs::path with_extension(fs::path file) {
    if (!file.has_extension()) file += L".exe";
    return file;
}

}  // namespace

result<fs::path> find_program(const start_request& what) {
    const auto absolute = [&](const fs::path& file) -> result<fs::path> {
        std::error_code failed;
        auto made = fs::absolute(path_from(what.directory) / file, failed).make_preferred();
        if (failed) return std::unexpected(failed);
        return made;
    };
    const auto name = path_from(what.program);
    if (what.program.find_first_of("/\\:") != std::string::npos) {
        auto file = absolute(with_extension(name));
        return file && !is_file(*file) ? absolute(name) : file;  // CreateProcessW() reports its errors
    }
    for (std::string_view rest = path_in(what.environment); !rest.empty();) {
        const auto end = std::min(rest.find(';'), rest.size());
        // A directory whose name has a semicolon is in quotation marks, which no path has. There is no need for them.
        if (const auto directory = rest.substr(0, end); !directory.empty()) {
            auto file = absolute(path_from(std::string(directory)) / with_extension(name));
            if (!file || is_file(*file)) return file;
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
}

}  // namespace eddy::sys
