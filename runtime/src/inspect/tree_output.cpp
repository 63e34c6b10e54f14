// SPDX-License-Identifier: MIT
#include "inspect/tree_output.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace eddy::inspect {

std::string hex(address value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

namespace {

std::string place_text(const place* where) {
    if (where == nullptr || where->file.empty()) return "an unknown place";
    return printable(where->file) + ":" + std::to_string(where->line);
}

}  // namespace

std::string frame_text(const place* where) {
    if (where == nullptr || where->function.empty()) return place_text(where);
    return printable(where->function) + "  " + place_text(where);
}

namespace {

/// The number of tasks that are named individually.
constexpr std::size_t most_named = 5;

/// The first character of a text in UTF-8.
struct character {
    char32_t value;
    std::size_t size;  ///< 1 if it is invalid
    bool is_valid;
};

character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1, true};
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const character invalid{lead, 1, false};
    if (lead < 0xc2 || lead > 0xf4 || size > text.size()) return invalid;
    char32_t value = lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return invalid;
        value = value << 6 | (byte(i) & 0x3f);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = value >= 0xd800 && value < 0xe000;
    if (value < least[size] || value > 0x10ffff || is_surrogate) return invalid;
    return {value, size, true};
}

/// Whether a terminal may take it for a command.
bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

std::string duration_text(std::uint64_t ns) {
    char text[32];
    const double seconds = static_cast<double>(ns) / 1e9;
    if (seconds < 1e-3)
        std::snprintf(text, sizeof text, "%.0f us", seconds * 1e6);
    else if (seconds < 1)
        std::snprintf(text, sizeof text, "%.0f ms", seconds * 1e3);
    else if (seconds < 100)
        std::snprintf(text, sizeof text, "%.1f s", seconds);
    else if (seconds < 6000)
        std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
    else
        std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
    return text;
}

const char* status_name(task_status is) {
    switch (is) {
    case task_status::running: return "running";
    case task_status::queued: return "queued";
    case task_status::waits: break;
    }
    return "waits";
}

/// Returns the name of an enumerator, or "" if there is none with this number.
template <wait_kind Kind>
constexpr std::string_view enumerator_name() {
    const std::string_view text = __PRETTY_FUNCTION__;  // it ends with "Kind = eddy::inspect::wait_kind::timer]"
    const std::string_view prefix = "wait_kind::";
    const auto begin = text.rfind(prefix);
    if (begin == std::string_view::npos) return "";
    const auto end = text.find_first_of(";]", begin);  // GCC explains other names behind a ';'
    return text.substr(begin + prefix.size(), end - begin - prefix.size());
}

/// The names in JSON.
constexpr auto kind_names = []<std::size_t... I>(std::index_sequence<I...>) {
    static_assert(((wait_kinds[I].kind == static_cast<wait_kind>(I)) && ...), "the rows have the order of the kinds");
    static_assert(enumerator_name<static_cast<wait_kind>(sizeof...(I))>().empty(), "each kind has a row");
    return std::array{enumerator_name<static_cast<wait_kind>(I)>()...};
}(std::make_index_sequence<std::size(wait_kinds)>());

std::string_view kind_name(wait_kind kind) {
    const auto number = static_cast<std::size_t>(kind);
    return kind_names[number < kind_names.size() ? number : 0];
}

/// A task without a number has its address.
std::string number_text(const auto& one) { return one.id == 0 ? hex(one.at) : std::to_string(one.id); }

std::string task_name(const task& one) {
    std::string text = one.id == 0 ? "task at " + hex(one.at) : "task " + std::to_string(one.id);
    if (!one.name.empty()) text += " \"" + printable(one.name) + "\"";
    return text;
}

std::string tasks_text(const std::vector<task_number>& tasks) {
    std::string text = tasks.size() == 1 ? "task " : std::to_string(tasks.size()) + " tasks: ";
    for (std::size_t i = 0; i < std::min(tasks.size(), most_named); ++i)
        text += (i == 0 ? "" : ", ") + number_text(tasks[i]);
    if (tasks.size() > most_named) text += ", ...";
    return text;
}

class text_writer {
public:
    /// `has_details`: with what may differ between tasks of equal chains: addresses, numbers and times.
    text_writer(const output_options& options, bool has_details) : options_(options), has_details_(has_details) {}

    [[nodiscard]] std::string take() { return std::move(out_); }

    void line(std::size_t depth, const std::string& text) { out_.append(2 * depth, ' ').append(text).append(1, '\n'); }

    void write(const stack& of, std::size_t depth) {
        for (std::size_t i = 0; i < of.frames.size();) {
            const std::size_t same = repeated(of.frames, i);
            line(depth, frame_text(of.frames[i]) + (same > 1 ? "  (" + std::to_string(same) + " times)" : ""));
            i += same;
        }
        if (of.is == stack::status::not_started) return line(depth, "not polled yet");
        if (of.is == stack::status::polled) return line(depth, "is being polled");
        if (of.is == stack::status::unreadable) return line(depth, "cannot be read: its memory is damaged");
        write(of.leaf, depth, !of.frames.empty());
    }

private:
    static std::size_t repeated(const std::vector<const place*>& frames, std::size_t from) {
        std::size_t end = from + 1;
        while (end < frames.size() && frames[end] == frames[from]) ++end;
        return end - from;
    }

    void write(const waiting& what, std::size_t depth, bool is_awaited) {
        line(depth, (is_awaited ? "waits for " : "") + wait_text(what));
        for (const branch& one : what.branches) {
            const bool has_label = !one.label.empty();
            if (has_label) line(depth + 1, printable(one.label) + ":");
            write(one.of, depth + (has_label ? 2 : 1));
        }
    }

    std::string wait_text(const waiting& what) const {
        const wait_kind_row row = row_of(what.kind);
        std::string made;
        std::string_view text = row.text;
        for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{')) {
            made += text.substr(0, at);
            text.remove_prefix(at);
            const bool is_word = text.starts_with("{}");
            made += is_word ? word_text(row.word, what) : what.type.empty() ? "a future" : printable(what.type);
            text.remove_prefix(text.find('}') + 1);
        }
        return made.append(text);
    }

    std::string word_text(wait_word word, const waiting& what) const {
        switch (word) {
        case wait_word::nothing:
        case wait_word::first_child:
        case wait_word::root: break;
        case wait_word::children: return " " + std::to_string(what.branches.size()) + ":";
        case wait_word::deadline: return due_text(what);
        case wait_word::channel:
        case wait_word::object: return object_text(what);
        case wait_word::socket:
        case wait_word::descriptor: return descriptor_text(what);
        case wait_word::lock: return lock_text(what);
        case wait_word::permits: return object_text(what) + permits_text(what);
        case wait_word::task: return has_details_ ? " " + tasks_text(what.tasks) : " a task";
        case wait_word::scope: return has_details_ && !what.tasks.empty() ? ", " + tasks_text(what.tasks) : "";
        case wait_word::process: return has_details_ ? " " + std::to_string(what.object) : "";
        }
        return "";
    }

    std::string due_text(const waiting& what) const {
        if (!has_details_ || !options_.now) return "";
        const bool is_late = what.object < *options_.now;
        const std::uint64_t ns = is_late ? *options_.now - what.object : what.object - *options_.now;
        return is_late ? " that was due " + duration_text(ns) + " ago" : ", in " + duration_text(ns);
    }
    std::string descriptor_text(const waiting& what) const {
        if (!what.fd || !has_details_) return " a descriptor";
        const std::string about = options_.about ? printable(options_.about(*what.fd)) : std::string();
        return " descriptor " + std::to_string(*what.fd) + (about.empty() ? "" : " (" + about + ")");
    }
    std::string object_text(const waiting& what) const { return has_details_ ? " at " + hex(what.object) : ""; }
    std::string lock_text(const waiting& what) const {
        if (!has_details_) return "";
        const std::string about = options_.about_lock ? printable(options_.about_lock(what.object)) : std::string();
        return object_text(what) + (about.empty() ? "" : ", last locked " + about);
    }
    std::string permits_text(const waiting& what) const {
        return what.permits && has_details_ ? " with " + std::to_string(*what.permits) + " free permits" : "";
    }

    const output_options& options_;
    const bool has_details_;
    std::string out_;
};

std::string stack_text(const stack& of, const output_options& options, bool has_details) {
    text_writer writer(options, has_details);
    writer.write(of, 2);
    return writer.take();
}

bool has_age(const task& one, const output_options& options) {
    return one.started && options.now && *one.started <= *options.now;
}

std::string age_text(const task& one, const output_options& options) {
    if (!has_age(one, options)) return "-";
    return duration_text(*options.now - *one.started);
}

/// Returns where a group was spawned, and when the first of it: "server.cpp:12, the first 3.2 s ago".
std::string spawn_text(const std::vector<const task*>& group, const output_options& options) {
    const task& oldest = **std::ranges::min_element(group, {}, [](const task* one) { return one->started; });
    std::string text = place_text(oldest.spawned_at);
    if (!has_age(oldest, options)) return text;
    return text + (group.size() == 1 ? ", " : ", the first ") + age_text(oldest, options) + " ago";
}

std::string group_title(const std::vector<const task*>& group) {
    const task& first = *group.front();
    if (group.size() == 1) return task_name(first) + ", " + status_name(first.is);
    std::string text = std::to_string(group.size()) + " tasks, " + status_name(first.is) + ":";
    for (std::size_t i = 0; i < std::min(group.size(), most_named); ++i)
        text += (i == 0 ? " " : ", ") + number_text(*group[i]);
    return group.size() > most_named ? text + ", ..." : text;
}

/// Appends what is shown of a stack if it is not the only one of its kind: equal keys, equal texts. Places and types
/// are compared by their addresses.
void append_key(std::string& key, const stack& of);

template <class T>
void append_bytes(std::string& key, const T& value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof value);  // NOLINT(bugprone-sizeof-expression): an address
}

void append_key(std::string& key, const waiting& what) {
    append_bytes(key, what.kind);
    append_bytes(key, what.type.data());
    append_bytes(key, what.branches.size());
    for (const branch& one : what.branches) {
        append_bytes(key, one.label.data());
        append_key(key, one.of);
    }
}

void append_key(std::string& key, const stack& of) {
    append_bytes(key, of.is);
    append_bytes(key, of.frames.size());
    for (const place* const where : of.frames) append_bytes(key, where);
    append_key(key, of.leaf);
}

/// Groups tasks by what is shown of all of them, the largest group first.
std::vector<std::vector<const task*>> grouped(const executor& of) {
    std::vector<std::vector<const task*>> groups;
    std::unordered_map<std::string, std::size_t> numbers;
    std::string key;
    for (const task& one : of.tasks) {
        key.clear();
        append_bytes(key, one.is);
        append_bytes(key, one.spawned_at);
        append_key(key, one.work);
        const auto [found, is_new] = numbers.try_emplace(key, groups.size());
        if (is_new) groups.emplace_back();
        groups[found->second].push_back(&one);
    }
    // Not std::stable_sort: Clang reports its buffer as deprecated. The first tasks of the groups have the order of the
    // list.
    std::ranges::sort(groups, [](const auto& a, const auto& b) {
        return a.size() != b.size() ? a.size() > b.size() : a.front() < b.front();
    });
    return groups;
}

/// Appends what is shown of several tasks only if they have it in common: the objects.
void append_objects(std::string& key, const waiting& what) {
    append_bytes(key, what.object);
    append_bytes(key, what.fd.value_or(-1));
    for (const task_number& one : what.tasks) append_bytes(key, one.at);
    for (const branch& one : what.branches) append_objects(key, one.of.leaf);
}

/// Returns whether all tasks of a group wait for the same objects, for example for one mutex.
bool have_same_objects(const std::vector<const task*>& group) {
    std::string first;
    append_objects(first, group.front()->work.leaf);
    std::string other;
    return std::ranges::all_of(group, [&](const task* one) {
        other.clear();
        append_objects(other, one->work.leaf);
        return other == first;
    });
}

std::string executor_title(const executor& of) {
    return std::string(kind_name(of.kind)) + " " + std::to_string(of.id) + ", " + std::to_string(of.tasks.size()) +
           (of.tasks.size() == 1 ? " task\n" : " tasks\n");
}

// ---- JSON ----

std::string json(const place* where) {
    if (where == nullptr || where->file.empty()) return "null";
    return "{\"file\":" + json_text(where->file) + ",\"line\":" + std::to_string(where->line) +
           ",\"function\":" + json_text(where->function) + "}";
}

std::string json(const stack& of);

template <class T, class Each>
std::string json_list(const std::vector<T>& items, Each each) {
    std::string out = "[";
    for (const T& one : items) out += (out.size() == 1 ? "" : ",") + each(one);
    return out + "]";
}

std::string json(const waiting& what) {
    std::string out = "{\"kind\":\"" + std::string(kind_name(what.kind)) + '"';
    if (!what.type.empty()) out += ",\"type\":" + json_text(what.type);
    const wait_word word = row_of(what.kind).word;
    if (word == wait_word::deadline)
        out += ",\"deadline_ns\":" + std::to_string(what.object);
    else if (word == wait_word::process)
        out += ",\"process\":" + std::to_string(what.object);
    else if (what.object != 0)
        out += ",\"object\":" + json_text(hex(what.object));
    if (what.fd) out += ",\"fd\":" + std::to_string(*what.fd);
    if (!what.tasks.empty())
        out += ",\"tasks\":" + json_list(what.tasks, [](const task_number& one) {
                   return one.id == 0 ? json_text(hex(one.at)) : std::to_string(one.id);
               });
    if (what.permits) out += ",\"permits\":" + std::to_string(*what.permits);
    if (!what.branches.empty())
        out += ",\"branches\":" + json_list(what.branches, [](const branch& one) {
                   return "{\"label\":" + json_text(one.label) + ",\"stack\":" + json(one.of) + "}";
               });
    return out + "}";
}

std::string json(const stack& of) {
    constexpr const char* names[] = {"waits", "not_started", "polled", "unreadable"};
    std::string out = std::string("{\"status\":\"") + names[static_cast<std::size_t>(of.is)] + '"';
    if (of.is == stack::status::waits || !of.frames.empty())
        out += ",\"frames\":" + json_list(of.frames, [](const place* where) { return json(where); });
    if (of.is != stack::status::waits) return out + "}";
    return out + ",\"waits_for\":" + json(of.leaf) + "}";
}

std::string json(const task& one) {
    std::string out = "{\"id\":" + std::to_string(one.id) + ",\"address\":" + json_text(hex(one.at));
    if (!one.name.empty()) out += ",\"name\":" + json_text(one.name);
    out += std::string(",\"status\":\"") + status_name(one.is) + '"';
    if (one.is_cancelled) out += ",\"cancelled\":true";
    if (one.started) out += ",\"started_ns\":" + std::to_string(*one.started);
    return out + ",\"spawned_at\":" + json(one.spawned_at) + ",\"stack\":" + json(one.work) + "}";
}

}  // namespace

const char* kind_name(executor_kind kind) {
    switch (kind) {
    case executor_kind::pool: return "pool";
    case executor_kind::loop: return "event loop";
    case executor_kind::blocking: return "blocking work of pool";
    case executor_kind::local_set: break;
    }
    return "local set";
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const character first = first_of(text);
        if (first.is_valid && !is_control(first.value)) {
            out += text.substr(0, first.size);
        } else {
            for (const unsigned char c : text.substr(0, first.size)) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\x%02x", c);
                out += escape;
            }
        }
        text.remove_prefix(first.size);
    }
    return out;
}

std::string json_text(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const character first = first_of(text);
        const std::string_view bytes = text.substr(0, first.size);
        text.remove_prefix(first.size);
        if (!first.is_valid) {
            out += "\\ufffd";
        } else if (is_control(first.value)) {
            char escape[16];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(first.value));
            out += escape;
        } else {
            if (first.value == '"' || first.value == '\\') out += '\\';
            out += bytes;
        }
    }
    return out + '"';
}

std::string list_text(const task_tree& tree, const output_options& options) {
    std::string out = "      ID STATUS       AGE NAME             PLACE\n";
    for (const executor& each : tree.executors)
        for (const task& one : each.tasks) {
            char line[64];
            std::snprintf(line, sizeof line, "%8s %-7s %8s ", number_text(one).c_str(), status_name(one.is),
                          age_text(one, options).c_str());
            std::string name = one.name.empty() ? "-" : printable(one.name);
            name.resize(std::max<std::size_t>(name.size(), 16), ' ');
            out += line + name + ' ' +
                   (one.work.frames.empty() ? "spawned at " + place_text(one.spawned_at)
                                            : frame_text(one.work.frames.back())) +
                   '\n';
        }
    return out;
}

std::string tree_text(const task_tree& tree, const output_options& options) {
    std::string out;
    for (const executor& each : tree.executors) {
        const bool is_blocking = each.kind == executor_kind::blocking;  // a native stack, which is not known
        if (is_blocking && each.tasks.empty()) continue;
        out += executor_title(each);
        for (const std::vector<const task*>& group : grouped(each)) {
            const task& first = *group.front();
            out += "  " + group_title(group) + ", spawned at " + spawn_text(group, options) + '\n';
            if (!is_blocking) out += stack_text(first.work, options, have_same_objects(group));
        }
    }
    return out;
}

std::string tree_json(const task_tree& tree, const output_options& options) {
    std::string out = "{\"eddy\":" + json_text(tree.version) + ",\"executors\":[";
    for (const executor& each : tree.executors) {
        if (&each != tree.executors.data()) out += ',';
        out += std::string("\n{\"kind\":\"") + kind_name(each.kind) + "\",\"id\":" + std::to_string(each.id) +
               ",\"tasks\":[";
        for (const task& one : each.tasks) out += (&one == each.tasks.data() ? "\n" : ",\n") + json(one);
        out += "]}";
    }
    out += ']';
    if (options.now) out += ",\"now_ns\":" + std::to_string(*options.now);
    return out + ",\"problems\":" + json_list(tree.problems, [](const std::string& text) { return json_text(text); }) +
           "}\n";
}

}  // namespace eddy::inspect
