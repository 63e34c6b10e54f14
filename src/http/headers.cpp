// SPDX-License-Identifier: MIT
#include <eddy/http/headers.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <eddy/error.hpp>

#include "http/characters.hpp"

namespace eddy::http {
namespace {

void check_field(std::string_view name, std::string_view value, const std::source_location& where) {
    if (!detail::is_token(name))
        throw misuse("the name of a header field must be a token: letters, digits, '-' and '_'", where);
    if (!detail::is_value(value))
        throw misuse("the value of a header field must not contain CR, LF, NUL or other control characters", where);
}

}  // namespace

bool equal_names(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           std::ranges::equal(a, b, [](char x, char y) { return detail::to_lower(x) == detail::to_lower(y); });
}

void headers::add(std::string_view name, std::string_view value, std::source_location where) {
    check_field(name, value, where);
    add_checked(name, detail::trim(value));
}

void headers::add_checked(std::string_view name, std::string_view value) {
    if (name.size() + value.size() > std::numeric_limits<std::uint32_t>::max() - text_.size())
        throw misuse("the header fields of a message must be smaller than 4 GiB");
    const auto begin = static_cast<std::uint32_t>(text_.size());
    const auto size = text_.size() + name.size() + value.size();
    if (size > text_.capacity()) {  // not in place: `name` and `value` may be views of text_
        std::string grown;
        grown.reserve(std::max(size, 2 * text_.capacity()));
        text_ = std::move(grown.append(text_).append(name).append(value));
    } else {
        text_.append(name).append(value);
    }
    fields_.push_back({begin, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
}

void headers::reserve(std::size_t fields, std::size_t bytes) {
    fields_.reserve(fields);
    text_.reserve(bytes);
}

void headers::set(std::string_view name, std::string_view value, std::source_location where) {
    check_field(name, value, where);
    const auto first = std::ranges::find_if(
        fields_, [&](const field& f) { return equal_names({text_.data() + f.begin, f.name_size}, name); });
    if (first == fields_.end()) return add_checked(name, detail::trim(value));
    const auto place = first - fields_.begin();
    remove(name);
    add_checked(name, detail::trim(value));
    std::ranges::rotate(fields_.begin() + place, fields_.end() - 1, fields_.end());
}

std::size_t headers::remove(std::string_view name) noexcept {
    const auto gone = std::ranges::remove_if(
        fields_, [&](const field& f) { return equal_names({text_.data() + f.begin, f.name_size}, name); });
    const auto count = gone.size();
    fields_.erase(gone.begin(), gone.end());
    return count;
}

void headers::clear() noexcept {
    fields_.clear();
    text_.clear();
}

header headers::operator[](std::size_t index) const noexcept {
    const auto& f = fields_[index];
    const char* const begin = text_.data() + f.begin;
    return {{begin, f.name_size}, {begin + f.name_size, f.value_size}};
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
    for (const auto& each : *this)
        if (equal_names(each.name, name)) return each.value;
    return std::nullopt;
}

std::size_t headers::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(
        fields_, [&](const field& f) { return equal_names({text_.data() + f.begin, f.name_size}, name); }));
}

bool headers::has_token(std::string_view name, std::string_view token) const noexcept {
    for (const auto& each : *this) {
        if (!equal_names(each.name, name)) continue;
        for (auto left = each.value; !left.empty();) {
            if (equal_names(detail::trim(detail::take_part(left, ',')), token)) return true;
        }
    }
    return false;
}

}  // namespace eddy::http
