// SPDX-License-Identifier: MIT
#include "inspect/program_texts.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "inspect/debug_table.hpp"

namespace eddy::inspect {
namespace {

constexpr std::uint32_t most_lines = 100'000'000;

bool is_printable(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

}  // namespace

const place* program_texts::place_at(address where) {
    if (const auto known = places_.find(where); known != places_.end()) return known->second;
    if (!left_.places.spend()) return nullptr;
    return places_[where] = keep(read_place(where));
}

/// Two co_await in one line have two places in the program, and one here.
const place* program_texts::keep(place found) {
    auto& kept = kept_[found.file + ':' + std::to_string(found.line) + ':' + found.function];
    if (kept == nullptr) kept = &tree_.places.emplace_back(std::move(found));
    return kept;
}

place program_texts::read_place(address where) {
    const auto record = where == 0 ? std::nullopt : memory_.get<place_record>(where);
    if (!record || record->line > most_lines) return {};
    const auto file = memory_.text(record->file);
    const auto function = memory_.text(record->function);
    if (!file || !function || !is_printable(*file) || !is_printable(*function)) return {};
    return {*file, function_name(*function), record->line};
}

std::string_view program_texts::text_at(address at) {
    if (const auto known = tree_.texts.find(at); known != tree_.texts.end()) return known->second;
    if (at == 0 || !left_.texts.spend()) return {};
    const auto text = memory_.text(at);
    return tree_.texts[at] = text && is_printable(*text) ? *text : std::string();
}

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
