// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>

EDDY_HEADERS_OF(http)

namespace eddy::detail {
struct header_access;
}

namespace eddy::http {

/// One field of a message's headers.
/// Thread safety: a plain value.
struct header {
    std::string_view name;   ///< the name as it was written; compare it with equal_names()
    std::string_view value;  ///< the value, without surrounding white space

    /// Makes a field from its parts.
    header(std::string_view of, std::string_view is) noexcept : name(of), value(is) {}
};

/// Returns whether two names of fields are equal. Names are case-insensitive.
[[nodiscard]] EDDY_API bool equal_names(std::string_view a, std::string_view b) noexcept;

/// The header fields of a message, in their order. A name may occur several times. Names are case-insensitive.
///     for (const auto& [name, value] : request.headers) ...
/// Errors: functions that store a field throw `misuse` for a name that is not a token (RFC 9110). They also throw it
/// for a value with CR, LF, NUL or another control character except tab. So a value cannot inject another field.
/// Thread safety: one thread at a time; reading is safe on several threads.
/// Lifetime: views into it are valid until the next change.
/// Cost: one memory block for all fields together. When it is full, a larger block replaces it. Memory of fields that
/// set() and remove() have replaced or removed is reused only after clear().
class EDDY_API headers {
public:
    class iterator;

    /// Makes an empty list.
    headers() noexcept = default;
    /// A copy has the same fields. A move leaves `other` empty.
    headers(const headers& other);
    headers(headers&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)),
          capacity_(std::exchange(other.capacity_, 0)),
          count_(std::exchange(other.count_, 0)),
          text_size_(std::exchange(other.text_size_, 0)),
          is_constant_(std::exchange(other.is_constant_, false)) {}
    headers& operator=(const headers& other) { return *this = headers(other); }
    headers& operator=(headers&& other) noexcept {
        headers former(std::move(*this));
        std::swap(memory_, other.memory_);
        std::swap(capacity_, other.capacity_);
        std::swap(count_, other.count_);
        std::swap(text_size_, other.text_size_);
        std::swap(is_constant_, other.is_constant_);
        return *this;
    }
    ~headers() {
        if (memory_ != nullptr && !is_constant_) detail::free_block_of(memory_, capacity_);
    }

    /// Appends a field.
    void add(std::string_view name, std::string_view value,
             std::source_location where = std::source_location::current());
    /// Replaces all fields of this name by one field at the position of the first. Appends the field if there is none.
    void set(std::string_view name, std::string_view value,
             std::source_location where = std::source_location::current());
    /// Removes all fields of this name, and returns their number.
    std::size_t remove(std::string_view name) noexcept;
    /// Removes all fields.
    void clear() noexcept;

    /// Returns the value of the first field of this name, or nullopt if there is none.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
    /// Returns the value of the first field of this name.
    /// Errors: throws std::out_of_range, whose text has the name, if there is none.
    [[nodiscard]] std::string_view at(std::string_view name) const;
    /// Returns whether there is a field of this name.
    [[nodiscard]] bool contains(std::string_view name) const noexcept { return get(name).has_value(); }
    /// Returns the number of fields of this name.
    [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
    /// Returns whether the comma-separated list in the fields of this name has the element `token`, which is
    /// case-insensitive: `has_token("Connection", "close")`.
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

    /// Returns the number of fields.
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    /// Returns a field by its position.
    /// Preconditions: `index` < size().
    [[nodiscard]] header operator[](std::size_t index) const noexcept {
        const field& at = fields()[index];
        return {name_of(at), value_of(at)};
    }
    [[nodiscard]] iterator begin() const noexcept;
    [[nodiscard]] iterator end() const noexcept;

private:
    friend detail::header_access;

    struct field {
        std::uint32_t name;  // its distance from the end of the memory
        std::uint32_t name_size;
        std::uint32_t value;  // its distance from the end of the memory
        std::uint32_t value_size;
    };

    /// Appends a field without checking its name and value.
    void add_checked(std::string_view name, std::string_view value);
    /// Removes all fields, copies `text` (the lines of a head), and reserves memory for this number of fields.
    void keep_text(std::string_view text, std::size_t fields);
    /// Appends a field without checking its name and value. They are parts of `text`, and are not copied again.
    /// Preconditions: keep_text() was called with this text, and only this function has changed the list since.
    void add_part(std::string_view text, std::string_view name, std::string_view value) {
        if (!has_room(0)) [[unlikely]]
            *this = with_room(0);
        append({distance(text, name), size_of(name), distance(text, value), size_of(value)});
    }

    static std::uint32_t size_of(std::string_view text) noexcept { return static_cast<std::uint32_t>(text.size()); }
    static std::uint32_t distance(std::string_view text, std::string_view part) noexcept {
        return static_cast<std::uint32_t>(text.data() + text.size() - part.data());
    }

    // SAFETY: the memory begins with an array of `count_` fields.
    [[nodiscard]] field* fields() const noexcept { return reinterpret_cast<field*>(memory_); }
    [[nodiscard]] std::string_view name_of(const field& of) const noexcept {
        return {memory_ + capacity_ - of.name, of.name_size};
    }
    [[nodiscard]] std::string_view value_of(const field& of) const noexcept {
        return {memory_ + capacity_ - of.value, of.value_size};
    }
    [[nodiscard]] field* find(std::string_view name) const noexcept;

    [[nodiscard]] bool has_room(std::size_t bytes) const noexcept {
        return (count_ + std::size_t{1}) * sizeof(field) + text_size_ + bytes <= capacity_;
    }
    void allocate(std::size_t bytes);
    [[nodiscard]] headers with_room(std::size_t bytes) const;
    void append(const field& added) noexcept { std::construct_at(fields() + count_++, added); }
    void append_copy(std::string_view name, std::string_view value) noexcept;

    // One block of the frame pool, or constant memory. The array of fields grows from its beginning, and the texts grow
    // from its end.
    char* memory_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t text_size_ = 0;  // including the texts of fields that were removed
    bool is_constant_ = false;     // see detail::header_access
};

/// Iterates over the fields.
/// Thread safety: a plain value.
class headers::iterator {
public:
    /// Types of an input iterator.
    using value_type = header;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    /// Makes an iterator that does not refer to a list.
    iterator() noexcept = default;

    /// Operators of an input iterator.
    [[nodiscard]] header operator*() const noexcept { return (*in_)[index_]; }
    iterator& operator++() noexcept {
        ++index_;
        return *this;
    }
    iterator operator++(int) noexcept {
        auto before = *this;
        ++index_;
        return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.index_ == b.index_; }

private:
    friend class headers;
    iterator(const headers& in, std::size_t index) noexcept : in_(&in), index_(index) {}

    const headers* in_ = nullptr;
    std::size_t index_ = 0;
};

inline headers::iterator headers::begin() const noexcept { return {*this, 0}; }
inline headers::iterator headers::end() const noexcept { return {*this, size()}; }

}  // namespace eddy::http
