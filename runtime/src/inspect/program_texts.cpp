// SPDX-License-Identifier: MIT
#include "inspect/program_texts.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "inspect/debug_table.hpp"
#include "inspect/function_name.hpp"

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

}  // namespace eddy::inspect
