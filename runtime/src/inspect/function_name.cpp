// SPDX-License-Identifier: MIT
#include "inspect/function_name.hpp"

#include <cstddef>
#include <string_view>

namespace eddy::inspect {

std::string function_name(const std::string& signature) {
    // Names of unnamed namespaces say nothing, and have parentheses.
    std::string text = signature;
    for (const std::string_view omitted : {"{anonymous}::", "(anonymous namespace)::"})
        for (auto at = text.find(omitted); at != std::string::npos; at = text.find(omitted))
            text.erase(at, omitted.size());
    const bool is_lambda =
        text.find("<lambda") != std::string::npos || text.find("(anonymous class)") != std::string::npos;
    // The name begins behind the last space, and ends at the first parenthesis, outside of template arguments.
    std::size_t begin = 0;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '<' || c == '[' || c == '{') ++depth;
        if (c == '>' || c == ']' || c == '}') --depth;
        if (depth != 0) continue;
        const bool is_operator = std::string_view(text).substr(0, i).ends_with("operator");
        if (c == ' ' && !is_operator) begin = i + 1;
        if (c == '(' && !is_operator) {
            while (text[begin] == '*' || text[begin] == '&') ++begin;
            return text.substr(begin, i - begin) + (is_lambda ? "::<lambda>" : "");
        }
    }
    return text;
}

}  // namespace eddy::inspect
