// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace eddy::inline v0_1::detail {

/// Returns the name of a coroutine without mangled names, and without the inline namespace of eddy. GCC writes "void
/// f(f(int)::_Z1fi.Frame*)" for `task<int> f(int)`: the result is "f()". For a lambda in a coroutine, this is in the
/// middle of the name.
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
    constexpr std::string_view versioned = "eddy::v";  // eddy::v0_1::task<int>
    for (auto at = function.find(versioned); at != function.npos; at = function.find(versioned, at + 1)) {
        const std::size_t begin = at + versioned.size() - 1;
        const std::size_t end = function.find_first_not_of("0123456789_", begin + 1);
        if (end != function.npos && end != begin + 1 && function.compare(end, 2, "::") == 0)
            function.erase(begin, end + 2 - begin);
    }
    constexpr std::string_view returned = "void ";  // no coroutine returns void
    if (function.starts_with(returned)) function.erase(0, returned.size());
    return function;
}

}  // namespace eddy::detail
