// SPDX-License-Identifier: MIT
#include "find_table.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace eddy::inspect {

namespace {

constexpr std::size_t chunk = 65'536;

/// The bytes that are searched, of one range and of all: the data of a module is much smaller.
constexpr std::uint64_t most_searched = std::uint64_t{1} << 32;
constexpr std::uint64_t most_searched_in_all = std::uint64_t{1} << 34;

/// Reads a part of a range page by page, since some pages may not exist. Missing pages are zeros.
void read_chunk(target_memory& memory, address from, std::span<std::byte> into) {
    std::ranges::fill(into, std::byte{0});
    std::vector<piece> pieces;
    for (std::size_t at = 0; at < into.size(); at += cached_memory::page_size)
        pieces.push_back({from + at, into.subspan(at, std::min(cached_memory::page_size, into.size() - at))});
    memory.read(pieces);
}

std::optional<address> find_in(target_memory& memory, const mapping& range) {
    std::vector<std::byte> bytes(chunk);
    const std::string_view magic(table_magic.data(), table_magic.size());
    const std::uint64_t size = range.end - range.begin;
    for (std::uint64_t done = 0; done < size; done += chunk) {
        const address from = range.begin + done;
        const auto part = std::span(bytes).first(std::min<std::uint64_t>(chunk, size - done));
        read_chunk(memory, from, part);
        const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
        // The table is aligned to 128 bytes, so it is in one chunk.
        for (auto at = text.find(magic); at != std::string_view::npos; at = text.find(magic, at + 1))
            if (at % 128 == 0 && table_at(memory, from + at)) return from + at;
    }
    return std::nullopt;
}

/// Returns the ranges that may contain the table: the data of the program and of its shared libraries, and what follows
/// them without a gap, since the loader maps the end of a file's data as memory without a file. A file of data that the
/// program has mapped is not searched: it may be large.
std::vector<mapping> data_of_modules(std::span<const mapping> all) {
    std::vector<mapping> found;
    for (const mapping& one : all) {
        const bool follows = one.file.empty() && !found.empty() && found.back().end == one.begin;
        if (!one.is_code && (one.is_of_module || follows)) found.push_back(one);
    }
    return found;
}

}  // namespace

std::optional<address> find_table(target_memory& memory, std::span<const mapping> mappings) {
    std::uint64_t left = most_searched_in_all;
    for (mapping range : data_of_modules(mappings)) {
        if (range.end <= range.begin) continue;
        const std::uint64_t size = std::min({range.end - range.begin, most_searched, left});
        range.end = range.begin + size;
        if (const auto found = find_in(memory, range)) return found;
        left -= size;
    }
    return std::nullopt;
}

}  // namespace eddy::inspect
