// SPDX-License-Identifier: MIT
#include "inspect/target_memory.hpp"

#include <algorithm>

namespace eddy::inspect {

namespace {

/// The number of pages that a miss reads: the pages of one aligned block, since lists are often followed downwards.
constexpr std::size_t block = 16;

/// The number of words that fresh() reads at once: a limit of its memory.
constexpr std::size_t words_at_once = 16'384;

/// The number of pages that are read at once. They are allocated before it is known which of them exist.
constexpr std::size_t pages_at_once = 1024;

/// The number of pages that are kept: 1 GiB.
constexpr std::size_t most_pages = 262'144;

}  // namespace

std::optional<debug_table> table_at(target_memory& memory, address at) {
    debug_table found;
    piece whole{at, std::as_writable_bytes(std::span(&found, 1))};
    memory.read(std::span(&whole, 1));
    // A copy of the table, for example of a file in memory, has another address.
    if (!whole.is_read || found.magic != table_magic || found.self != at) return std::nullopt;
    return found;
}

bool cached_memory::copy(address from, std::span<std::byte> into) {
    while (!into.empty()) {
        const page* const found = page_of(from / page_size);
        if (found == nullptr) return false;
        const std::size_t begin = from % page_size;
        const std::size_t count = std::min(into.size(), page_size - begin);
        std::memcpy(into.data(), found->data() + begin, count);
        into = into.subspan(count);
        from += count;
    }
    return true;
}

std::optional<std::string> cached_memory::text(address from, std::size_t most) {
    std::string found;
    while (found.size() < most) {
        const page* const at = page_of(from / page_size);
        if (at == nullptr) return std::nullopt;
        const std::size_t begin = from % page_size;
        const auto* const first = reinterpret_cast<const char*>(at->data()) + begin;
        const std::size_t room = std::min(page_size - begin, most - found.size());
        const std::size_t length = std::find(first, first + room, '\0') - first;
        found.append(first, length);
        if (length < room) break;
        from += length;
    }
    return found;
}

void cached_memory::fetch(std::span<const address> objects, std::size_t size) {
    std::vector<address> missing;
    for (const address one : objects) {
        const address last = (one + size - 1) / page_size;
        // An address at the end of the address space may wrap around; it cannot be read anyway.
        for (address number = one / page_size; number <= last && number - one / page_size < 4; ++number) {
            const bool is_repeated = !missing.empty() && missing.back() == number;
            if (!is_repeated && !pages_.contains(number)) missing.push_back(number);
        }
    }
    std::ranges::sort(missing);
    const auto repeated = std::ranges::unique(missing);
    missing.erase(repeated.begin(), repeated.end());
    read_pages(missing);
}

std::vector<std::optional<std::uint64_t>> cached_memory::fresh(std::span<const address> words) {
    std::vector<std::optional<std::uint64_t>> found;
    found.reserve(words.size());
    while (!words.empty()) {
        const auto part = words.first(std::min(words.size(), words_at_once));
        words = words.subspan(part.size());
        // Many words are in few pages, and a page costs the system as much as a word.
        if (now_ == nullptr) now_ = std::make_unique<cached_memory>(source_);
        now_->forget();
        now_->fetch(part, sizeof(std::uint64_t));
        for (const address one : part) found.push_back(now_->word(one));
    }
    return found;
}

void cached_memory::forget() {
    pages_.clear();
    recent_.fill({});
    copies_ = 0;
}

const cached_memory::page* cached_memory::find_page(address number) {
    auto found = pages_.find(number);
    if (found == pages_.end()) {
        std::vector<address> wanted;
        const address first = number / block * block;
        for (address i = first; i < first + block; ++i)
            if (!pages_.contains(i)) wanted.push_back(i);
        read_pages(wanted);
        found = pages_.find(number);
    }
    return found->second;
}

void cached_memory::read_pages(std::span<const address> numbers) {
    while (!numbers.empty()) {
        const auto batch = numbers.first(std::min(numbers.size(), pages_at_once));
        if (pages_.size() + batch.size() > most_pages) forget();
        read_batch(batch);
        numbers = numbers.subspan(batch.size());
    }
}

void cached_memory::read_batch(std::span<const address> numbers) {
    std::vector<piece> pieces;
    pieces.reserve(numbers.size());
    for (const address number : numbers) pieces.push_back({number * page_size, std::span(next_copy())});
    source_.read(pieces);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        // SAFETY: the piece is a page that next_copy() has returned.
        const auto* const copy = reinterpret_cast<const page*>(pieces[i].into.data());
        pages_[numbers[i]] = pieces[i].is_read ? copy : nullptr;
    }
}

/// Returns memory for a page, which is used until forget() is called, also if the page cannot be read. It is allocated
/// by blocks, so that malloc takes it from its heap.
cached_memory::page& cached_memory::next_copy() {
    const std::size_t number = copies_++;
    if (number / block == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<page[]>(block));
    return blocks_[number / block][number % block];
}

}  // namespace eddy::inspect
