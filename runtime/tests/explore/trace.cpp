// SPDX-License-Identifier: MIT
#include "explore/trace.hpp"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

namespace explore::detail {
namespace {

std::string path_of_program() {
    std::array<char, 4096> path{};
    const auto length = readlink("/proc/self/exe", path.data(), path.size() - 1);
    return {path.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

std::uintptr_t load_address() {
    std::uintptr_t base = 0;
    // The first object is the program itself.
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* into) {
            // SAFETY: `into` is `&base`.
            *static_cast<std::uintptr_t*>(into) = info->dlpi_addr;
            return 1;
        },
        &base);
    return base;
}

/// Returns whether the line belongs to the standard library or to the explorer's own types.
bool is_plumbing(std::string_view line) {
    return line.starts_with("??") || line.starts_with("/usr/") || line.find("/explore/types.hpp") != line.npos ||
           line.find("/explore/explore.hpp") != line.npos || line.find("/bits/") != line.npos;
}

std::string shortened(std::string line) {
    if (const auto note = line.find(" (discriminator"); note != line.npos) line.resize(note);
    if (const auto slash = line.rfind('/'); slash != line.npos) line.erase(0, slash + 1);
    return line;
}

/// Returns the source line of each address: the line in the innermost inlined function that is not plumbing. Addresses
/// without a source line are omitted.
std::map<const void*, std::string> look_up(std::vector<const void*> code) {
    std::ranges::sort(code);
    const auto [first, last] = std::ranges::unique(code);
    code.erase(first, last);

    std::map<const void*, std::string> found;
    const std::uintptr_t base = load_address();
    constexpr std::size_t batch = 500;
    for (std::size_t begin = 0; begin < code.size(); begin += batch) {
        std::ostringstream command;
        command << "addr2line -a -i -e '" << path_of_program() << "' 2>/dev/null" << std::hex;
        const std::size_t end = std::min(code.size(), begin + batch);
        // Subtract one: a return address is the address of the next instruction, which may belong to the next line.
        for (std::size_t i = begin; i < end; ++i)
            command << " 0x" << reinterpret_cast<std::uintptr_t>(code[i]) - base - 1;
        const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.str().c_str(), "r"), &pclose);
        if (!pipe) return found;
        std::size_t next = begin;
        const void* current = nullptr;
        std::array<char, 4096> line{};
        while (std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
            const std::string text(line.data(), std::string_view(line.data()).find('\n'));
            if (text.starts_with("0x")) {
                if (next == end) break;
                current = code[next++];
            } else if (current != nullptr && !found.contains(current) && !is_plumbing(text)) {
                found[current] = shortened(text);
            }
        }
    }
    return found;
}

std::string place_in(const std::map<const void*, std::string>& found, const std::vector<const void*>& code) {
    for (const void* at : code) {
        if (const auto entry = found.find(at); entry != found.end()) return entry->second;
    }
    return {};
}

const char* name_of(std::memory_order order) {
    switch (order) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume: return "consume";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    case std::memory_order_seq_cst: return "seq_cst";
    }
    return "?";
}

std::string number(std::uint64_t value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), value < 100'000 ? "%llu" : "0x%llx",
                  static_cast<unsigned long long>(value));
    return text.data();
}

std::string value_of(const event_record& event) {
    if (!event.has_value) return {};
    return " = " + (event.named_value != nullptr ? std::string(event.named_value) : number(event.value));
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

}  // namespace

std::string call_site_of(const std::vector<const void*>& code) { return place_in(look_up(code), code); }

std::string render(const std::vector<event_record>& events) {
    std::vector<const void*> code;
    for (const auto& event : events) code.insert(code.end(), event.code.begin(), event.code.end());
    const auto found = look_up(std::move(code));

    std::string table;
    unsigned previous = events.empty() ? 0 : events.front().thread;
    for (const auto& event : events) {
        if (std::exchange(previous, event.thread) != event.thread) table += "    ----\n";
        std::string line = "    thread " + std::to_string(event.thread) + "  ";
        line += padded(std::string(event.what) + (event.has_order ? std::string(" ") + name_of(event.order) : ""), 32);
        line += padded(event.object + value_of(event), 28);
        line += ' ' + place_in(found, event.code);
        if (!event.remark.empty()) line += "  (" + event.remark + ')';
        table += line + '\n';
    }
    return table;
}

}  // namespace explore::detail
