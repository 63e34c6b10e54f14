// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "inspect/debug_table.hpp"

namespace eddy::inspect {

/// A range of the program's memory to be copied.
struct piece {
    address from;
    std::span<std::byte> into;
    bool is_read = false;
};

/// The memory of a program: of another process, of this one, or in a core file.
class target_memory {
public:
    target_memory() = default;
    target_memory(const target_memory&) = delete;
    target_memory& operator=(const target_memory&) = delete;
    virtual ~target_memory() = default;

    /// Copies the pieces that exist, and sets their `is_read`. A piece that is only partly mapped may be skipped.
    virtual void read(std::span<piece> pieces) = 0;
    /// Whether it may change, so that reading it again may help. A file's does not.
    [[nodiscard]] virtual bool changes() const noexcept { return true; }
};

/// Returns the debug table at an address, or nothing if there is none. Its format may be another one.
[[nodiscard]] std::optional<debug_table> table_at(target_memory& memory, address at);

/// Reads a program's memory by pages, several at a time, and keeps them. A task costs much less than a system call,
/// since tasks and coroutine frames of one size are neighbors in memory. The copies grow old: forget() before a check
/// of what may have changed.
class cached_memory {
public:
    static constexpr std::size_t page_size = 4096;

    explicit cached_memory(target_memory& source) : source_(source) {}

    /// Copies an object. Returns nothing if its memory does not exist.
    template <class T>
    [[nodiscard]] std::optional<T> get(address from) {
        static_assert(std::is_trivially_copyable_v<T>);
        T found;
        const std::size_t begin = from % page_size;
        if (begin + sizeof found > page_size)
            return copy(from, std::as_writable_bytes(std::span(&found, 1))) ? std::optional(found) : std::nullopt;
        const page* const at = page_of(from / page_size);
        if (at == nullptr) return std::nullopt;
        std::memcpy(&found, at->data() + begin, sizeof found);
        return found;
    }
    [[nodiscard]] std::optional<std::uint64_t> word(address from) { return get<std::uint64_t>(from); }
    [[nodiscard]] std::optional<std::uint32_t> half(address from) { return get<std::uint32_t>(from); }
    /// Returns a text that a zero ends, or its first `most` characters.
    [[nodiscard]] std::optional<std::string> text(address from, std::size_t most = 1024);
    /// Copies all of `into`. Returns false if a part does not exist.
    [[nodiscard]] bool copy(address from, std::span<std::byte> into);

    /// Reads the pages of many objects of `size` bytes at once.
    void fetch(std::span<const address> objects, std::size_t size);
    /// Copies words as they are now: reads their pages again, and does not keep them.
    [[nodiscard]] std::vector<std::optional<std::uint64_t>> fresh(std::span<const address> words);
    /// Forgets all pages.
    void forget();
    [[nodiscard]] bool changes() const noexcept { return source_.changes(); }

private:
    using page = std::array<std::byte, page_size>;

    /// A page that was used lately. Which one, depends on the last bits of its number.
    struct recent_page {
        address number = ~address{0};
        const page* at = nullptr;
    };

    [[nodiscard]] const page* page_of(address number) {
        recent_page& recent = recent_[number % recent_.size()];
        if (recent.number != number) recent = {number, find_page(number)};
        return recent.at;
    }
    [[nodiscard]] const page* find_page(address number);
    void read_pages(std::span<const address> numbers);
    void read_batch(std::span<const address> numbers);
    [[nodiscard]] page& next_copy();

    target_memory& source_;
    std::unordered_map<address, const page*> pages_;  // null: it cannot be read
    std::array<recent_page, 256> recent_;
    // The memory of the copies, which is used again after forget(): new memory costs the system more than a copy does.
    std::vector<std::unique_ptr<page[]>> blocks_;
    std::size_t copies_ = 0;
    std::unique_ptr<cached_memory> now_;  // of fresh()
};

}  // namespace eddy::inspect
