// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

namespace mini_redis {

/// A hash for lookups by std::string_view, without creating a std::string.
struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};

template <class T>
using text_map = std::unordered_map<std::string, T, text_hash, std::equal_to<>>;

using list = std::deque<std::string>;
using set = std::unordered_set<std::string, text_hash, std::equal_to<>>;

/// Fields and their values, in insertion order, as in small hashes of Redis.
class hash {
public:
    struct field {
        std::string name;
        std::string value;
        field(std::string_view called, std::string_view is) : name(called), value(is) {}
    };

    hash() = default;
    hash(const hash&) = delete;  // the index points into the fields
    hash& operator=(const hash&) = delete;
    hash(hash&&) = default;  // moving a deque does not move its elements
    hash& operator=(hash&&) = default;
    ~hash() = default;

    /// Sets a field. Returns whether the field is new.
    bool set(std::string_view name, std::string_view value) {
        if (const auto at = index_.find(name); at != index_.end()) {
            at->second->value = value;
            return false;
        }
        field& made = fields_.emplace_back(name, value);
        index_.emplace(made.name, &made);
        return true;
    }
    /// Returns the value of a field, or null if there is none.
    [[nodiscard]] const std::string* get(std::string_view name) const {
        const auto at = index_.find(name);
        return at == index_.end() ? nullptr : &at->second->value;
    }
    [[nodiscard]] const std::deque<field>& fields() const noexcept { return fields_; }

private:
    std::deque<field> fields_;  // grows only at the end, so elements do not move
    std::unordered_map<std::string_view, field*> index_;
};

using stored_value = std::variant<std::string, list, hash, set>;

}  // namespace mini_redis
