// SPDX-License-Identifier: MIT
#include <eddy/http/headers.hpp>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <eddy/error.hpp>

#include "message/fields.hpp"

EDDY_LIBRARY(http)

namespace eddy::http {
namespace {

void check_field(std::string_view name, std::string_view value, const std::source_location& where) {
    if (!detail::is_token(name))
        throw misuse("the name of a header field must be a token: letters, digits and the characters !#$%&'*+-.^_`|~",
                     where);
    if (!detail::is_value(value))
        throw misuse("the value of a header field must not contain CR, LF, NUL or other control characters", where);
}

/// The memory for the first fields, in addition to the texts of the first one.
constexpr std::size_t first_size = 160;

}  // namespace

bool equal_names(std::string_view a, std::string_view b) noexcept {
    // Compares the characters as they are first, because names are usually written in the same way.
    return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) {
               return x == y || detail::to_lower(x) == detail::to_lower(y);
           });
}

void headers::add(std::string_view name, std::string_view value, std::source_location where) {
    check_field(name, value, where);
    add_checked(name, detail::trim(value));
}

headers::headers(const headers& other) {
    if (!other.empty()) *this = other.with_room(0);
}

/// Allocates the memory.
/// Errors: throws `misuse` if `bytes` does not fit into the 32 bits of a distance.
/// Preconditions: there is no memory yet.
void headers::allocate(std::size_t bytes) {
    if (bytes > std::numeric_limits<std::uint32_t>::max())
        throw misuse("the header fields of a message must be smaller than 4 GiB");
    memory_ = static_cast<char*>(detail::allocate_block(bytes));
    capacity_ = static_cast<std::uint32_t>(bytes);
}

/// Returns a copy with memory for further fields, at least for one whose name and value have this size together.
headers headers::with_room(std::size_t bytes) const {
    headers copy;
    copy.allocate((2 * std::size_t{count_} + 4) * sizeof(field) + 2 * std::size_t{text_size_} + bytes + 100);
    std::copy_n(fields(), count_, copy.fields());
    std::copy_n(memory_ + capacity_ - text_size_, text_size_, copy.memory_ + copy.capacity_ - text_size_);
    copy.count_ = count_;
    copy.text_size_ = text_size_;
    return copy;
}

/// Appends a copy of a field.
/// Preconditions: has_room().
void headers::append_copy(std::string_view name, std::string_view value) noexcept {
    text_size_ += size_of(name) + size_of(value);
    char* const text = memory_ + capacity_ - text_size_;
    name.copy(text, name.size());
    value.copy(text + name.size(), value.size());
    append({text_size_, size_of(name), text_size_ - size_of(name), size_of(value)});
}

void headers::add_checked(std::string_view name, std::string_view value) {
    const auto bytes = name.size() + value.size();
    if (memory_ == nullptr) allocate(first_size + bytes);
    if (has_room(bytes)) [[likely]]
        return append_copy(name, value);
    auto grown = with_room(bytes);
    grown.append_copy(name, value);  // `name` and `value` may be views of the old memory
    *this = std::move(grown);
}

void headers::keep_text(std::string_view text, std::size_t fields) {
    if (memory_ != nullptr) *this = headers();
    allocate(fields * sizeof(field) + text.size());
    text_size_ = size_of(text);
    text.copy(memory_ + capacity_ - text.size(), text.size());
}

void headers::set(std::string_view name, std::string_view value, std::source_location where) {
    check_field(name, value, where);
    const auto place = find(name) - fields();
    if (place == count_) return add_checked(name, detail::trim(value));
    remove(name);
    add_checked(name, detail::trim(value));
    std::ranges::rotate(fields() + place, fields() + count_ - 1, fields() + count_);
}

/// Returns the first field of this name, or the end of the array.
headers::field* headers::find(std::string_view name) const noexcept {
    return std::find_if(fields(), fields() + count_, [&](const field& f) { return equal_names(name_of(f), name); });
}

std::size_t headers::remove(std::string_view name) noexcept {
    // This does not write to constant memory, which has only one field, so that no other field is moved.
    const auto gone = std::ranges::remove_if(fields(), fields() + count_,
                                             [&](const field& f) { return equal_names(name_of(f), name); });
    count_ -= static_cast<std::uint32_t>(gone.size());
    return gone.size();
}

void headers::clear() noexcept {
    if (is_constant_) *this = headers();
    count_ = 0;
    text_size_ = 0;
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
    const field* const found = find(name);
    if (found == fields() + count_) return std::nullopt;
    return value_of(*found);
}

std::string_view headers::at(std::string_view name) const {
    if (const auto value = get(name)) return *value;
    throw std::out_of_range("eddy: headers::at(): there is no field \"" + std::string(name) + '"');
}

std::size_t headers::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(*this, [&](const header& each) { return equal_names(each.name, name); }));
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
