// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace eddy::detail {

/// Returns the name of a file without its folders.
inline std::string_view base_name(std::string_view path) noexcept { return path.substr(path.find_last_of("/\\") + 1); }

/// Returns the name of a coroutine without mangled names. GCC writes "void f(f(int)::_Z1fi.Frame*)" for
/// `task<int> f(int)`: the result is "f()". For a lambda in a coroutine, this is in the middle of the name.
inline std::string readable_name(std::string function) {
    constexpr std::string_view frame = ".Frame*)";
    for (auto at = function.find(frame); at != function.npos; at = function.find(frame)) {
        const std::size_t end = at + frame.size() - 1;  // the closing parenthesis
        std::size_t begin = end;
        for (int open = 1; open != 0 && begin != 0;) {
            --begin;
            open += function[begin] == ')' ? 1 : function[begin] == '(' ? -1 : 0;
        }
        function.erase(begin + 1, end - begin - 1);
    }
    constexpr std::string_view returned = "void ";  // no coroutine returns void
    if (function.starts_with(returned)) function.erase(0, returned.size());
    return function;
}

}  // namespace eddy::detail
