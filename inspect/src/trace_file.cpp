// SPDX-License-Identifier: MIT
#include "trace_file.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "inspect/tree_output.hpp"

namespace eddy::inspect {

namespace {

constexpr std::size_t most_shown = 10;

/// A field of a protobuf message.
struct field {
    std::uint32_t number;
    std::uint64_t value = 0;
    std::string_view bytes;
};

/// Reads the fields of a message one by one.
class fields {
public:
    explicit fields(std::string_view message) : rest_(message) {}

    [[nodiscard]] bool is_broken() const { return is_broken_; }

    std::optional<field> next() {
        if (rest_.empty() || is_broken_) return std::nullopt;
        const std::uint64_t tag = varint();
        field found{static_cast<std::uint32_t>(tag >> 3), 0, {}};
        switch (tag & 7) {
        case 0: found.value = varint(); break;
        case 1: found.value = fixed(8); break;
        case 2: found.bytes = take(varint()); break;
        case 5: found.value = fixed(4); break;
        default: is_broken_ = true;
        }
        if (is_broken_) return std::nullopt;
        return found;
    }

private:
    std::string_view take(std::uint64_t size) {
        if (size > rest_.size()) {
            is_broken_ = true;
            return {};
        }
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const std::string_view byte = take(1);
            if (byte.empty()) return 0;
            value |= (static_cast<std::uint64_t>(byte[0]) & 0x7f) << shift;
            if ((byte[0] & 0x80) == 0) return value;
        }
        is_broken_ = true;
        return 0;
    }
    std::uint64_t fixed(std::size_t size) {
        std::uint64_t value = 0;
        const std::string_view bytes = take(size);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
        return value;
    }

    std::string_view rest_;
    bool is_broken_ = false;
};

/// Calls `each` with the fields of a message. Returns false if it is broken.
template <class Each>
bool for_each_field(std::string_view message, Each each) {
    fields all(message);
    while (const auto one = all.next()) each(*one);
    return !all.is_broken();
}

trace_file::track parse_track(std::string_view message) {
    trace_file::track made{};
    for_each_field(message, [&](const field& one) {
        if (one.number == 1) made.uuid = one.value;
        if (one.number == 2) made.name = one.bytes;
        if (one.number == 4)
            for_each_field(one.bytes, [&](const field& of_thread) {
                if (of_thread.number == 1) made.pid = of_thread.value;
                if (of_thread.number == 2) made.tid = of_thread.value;
            });
    });
    return made;
}

void parse_annotation(std::string_view message, trace_file::event& into) {
    std::uint64_t number = 0;
    std::string_view text;
    std::string_view name;
    for_each_field(message, [&](const field& one) {
        if (one.number == 3) number = one.value;
        if (one.number == 6) text = one.bytes;
        if (one.number == 10) name = one.bytes;
    });
    if (name == "task") {
        into.task = number;
    } else if (name == "place" || name == "name") {
        if (into.task_name.empty() || name == "name") into.task_name = text;
    } else {
        into.detail = number;
        into.detail_name = name;
    }
}

trace_file::event parse_event(std::string_view message) {
    trace_file::event made{};
    for_each_field(message, [&](const field& one) {
        switch (one.number) {
        case 4: return parse_annotation(one.bytes, made);
        case 9: made.is = static_cast<trace_file::point>(one.value); return;
        case 11: made.track = one.value; return;
        case 22: made.category = one.bytes; return;
        case 23: made.name = one.bytes; return;
        case 47: made.starts_flow = one.value; return;
        case 48: made.ends_flow = one.value; return;
        default: return;
        }
    });
    return made;
}

std::string duration_text(std::uint64_t ns) {
    if (ns < 10'000) return fmt::format("{} ns", ns);
    if (ns < 10'000'000) return fmt::format("{:.1f} us", static_cast<double>(ns) / 1e3);
    if (ns < 10'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
    return fmt::format("{:.1f} s", static_cast<double>(ns) / 1e9);
}

/// A poll: a slice of a track.
struct poll {
    std::uint64_t begin;
    std::uint64_t ns;
    std::uint64_t track;
    std::uint64_t task;
    std::string_view name;
};

struct task_total {
    std::uint64_t ns = 0;
    std::uint64_t polls = 0;
    std::string_view name;
};

std::uint64_t percentile(const std::vector<std::uint64_t>& sorted, std::size_t hundredths) {
    return sorted[std::min(sorted.size() - 1, sorted.size() * hundredths / 10'000)];
}

// The recorder sets it in the number of a task without an id, which is its address.
constexpr auto is_address = std::uint64_t{1} << 47;

/// Names the tasks whose polls have no name: a crash handler writes names at the spawns only. A number that is an
/// address names the task that was spawned there last.
void name_tasks(std::vector<trace_file::event>& events) {
    std::unordered_map<std::uint64_t, std::string_view> names;
    for (const trace_file::event& one : events)
        if (!one.task_name.empty() && (one.task & is_address) == 0) names[one.task] = one.task_name;
    for (trace_file::event& one : events) {
        if (!one.task_name.empty()) names[one.task] = one.task_name;
        if (one.category != "poll" || one.name != fmt::format("task {}", one.task)) continue;
        if (const auto found = names.find(one.task); found != names.end()) one.name = found->second;
    }
}

/// What the summary is made of.
class totals {
public:
    explicit totals(const trace_file& trace) {
        std::unordered_map<std::uint64_t, std::uint64_t> flows;
        std::unordered_map<std::uint64_t, std::vector<const trace_file::event*>> open;
        for (const trace_file::event& one : trace.events) {
            if (one.is != trace_file::point::end) ++counts[one.category];
            if (one.starts_flow != 0) flows[one.starts_flow] = one.time;
            if (one.ends_flow != 0)
                if (const auto from = flows.find(one.ends_flow); from != flows.end()) {
                    latencies.push_back(one.time - from->second);
                    flows.erase(from);
                }
            if (one.is == trace_file::point::begin) open[one.track].push_back(&one);
            if (one.is != trace_file::point::end || open[one.track].empty()) continue;
            const trace_file::event& begin = *open[one.track].back();
            open[one.track].pop_back();
            if (begin.category == "poll") add({begin.time, one.time - begin.time, begin.track, begin.task, begin.name});
        }
        std::ranges::sort(latencies);
    }

    std::map<std::string, std::uint64_t> counts;
    std::vector<poll> polls;
    std::vector<std::uint64_t> latencies;                      // from a wake-up to the poll, sorted
    std::unordered_map<std::uint64_t, std::uint64_t> busy_ns;  // by track
    std::unordered_map<std::uint64_t, task_total> tasks;

private:
    void add(const poll& one) {
        polls.push_back(one);
        busy_ns[one.track] += one.ns;
        task_total& its = tasks[one.task];
        its.ns += one.ns;
        ++its.polls;
        its.name = one.name;
    }
};

/// Keeps the `most_shown` largest elements, the largest first.
template <class T, class Less>
void keep_largest(std::vector<T>& all, Less less) {
    const std::size_t count = std::min(all.size(), most_shown);
    std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(count),
                              [&](const T& a, const T& b) { return less(b, a); });
    all.resize(count);
}

/// A task's number; or its address, as `eddy ps` shows it.
std::string task_text(std::uint64_t task) {
    return (task & is_address) == 0 ? fmt::format("task {}", task) : fmt::format("{:#x}", task & ~is_address);
}

}  // namespace

std::expected<trace_file, std::string> parse_trace(std::string_view bytes) {
    trace_file made;
    std::multimap<std::uint64_t, trace_file::event> by_time;  // equal times stay in the order of the file
    bool is_known = true;
    const bool is_whole = for_each_field(bytes, [&](const field& packet) {
        if (packet.number != 1) is_known = false;
        std::uint64_t time = 0;
        std::optional<trace_file::event> event;
        is_known &= for_each_field(packet.bytes, [&](const field& one) {
            if (one.number == 8) time = one.value;
            if (one.number == 60) made.tracks.push_back(parse_track(one.bytes));
            if (one.number == 11) event = parse_event(one.bytes);
        });
        if (!event) return;
        event->time = time;
        by_time.emplace(time, std::move(*event));
    });
    if (!is_whole || !is_known || bytes.empty()) return std::unexpected("this is not a trace in Perfetto's format");
    made.events.reserve(by_time.size());
    for (auto& [time, event] : by_time) made.events.push_back(std::move(event));
    name_tasks(made.events);
    return made;
}

std::string to_chrome_json(const trace_file& trace) {
    std::map<std::uint64_t, trace_file::track> tracks;
    std::unordered_map<std::uint64_t, std::uint64_t> flows;  // the present one of each number: each has one arrow here
    std::uint64_t last_flow = 0;
    std::string out = "{\"traceEvents\":[";
    const auto add = [&](const std::string& one) { out += (out.back() == '[' ? "\n" : ",\n") + one; };
    for (const trace_file::track& one : trace.tracks) {
        tracks[one.uuid] = one;
        if (one.tid != 0)
            add(fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":{}}}}})", one.pid,
                            one.tid, json_text(one.name)));
    }
    for (const trace_file::event& one : trace.events) {
        const trace_file::track& on = tracks[one.track];
        // Microseconds with three digits are exact.
        const std::string where =
            fmt::format(R"("ts":{}.{:03},"pid":{},"tid":{})", one.time / 1000, one.time % 1000, on.pid, on.tid);
        const auto flow = [&](const char* phase, std::uint64_t id) {
            add(fmt::format(R"({{"ph":"{}","cat":"wake","name":"wake","id":{},{}}})", phase, id, where));
        };
        if (one.is == trace_file::point::end) {
            add(fmt::format(R"({{"ph":"E",{}}})", where));
            continue;
        }
        std::string arguments;
        if (one.task != 0) arguments = fmt::format(R"("task":{})", one.task);
        if (!one.detail_name.empty())
            arguments += fmt::format("{}{}:{}", arguments.empty() ? "" : ",", json_text(one.detail_name), one.detail);
        add(fmt::format(R"({{"ph":"{}","cat":{},"name":{},{},"args":{{{}}}}})",
                        one.is == trace_file::point::begin ? "B" : "i", json_text(one.category), json_text(one.name),
                        where, arguments));
        if (one.starts_flow != 0) flow("s", flows[one.starts_flow] = ++last_flow);
        if (const auto begun = flows.find(one.ends_flow); begun != flows.end()) {
            flow("f\",\"bp\":\"e", begun->second);
            flows.erase(begun);
        }
    }
    return out + "\n]}\n";
}

std::string summary(const trace_file& trace) {
    if (trace.events.empty()) return "The trace has no events.\n";
    totals all(trace);
    const std::uint64_t first = trace.events.front().time;
    const std::uint64_t length = trace.events.back().time - first;
    std::string out = fmt::format("{} events in {}\n", trace.events.size(), duration_text(length));
    for (const auto& [category, count] : all.counts)
        out += fmt::format("  {:<12} {:>10}\n", printable(category), count);

    out += "\nWorkers: polling\n";
    for (const trace_file::track& one : trace.tracks)
        if (one.tid != 0)
            out += fmt::format(
                "  {:<20} {:>10}  {:5.1f} %\n", printable(one.name), duration_text(all.busy_ns[one.uuid]),
                length == 0 ? 0.0 : 100.0 * static_cast<double>(all.busy_ns[one.uuid]) / static_cast<double>(length));

    out += "\nBusiest tasks\n";
    std::vector<std::pair<std::uint64_t, task_total>> tasks(all.tasks.begin(), all.tasks.end());
    keep_largest(tasks, [](const auto& a, const auto& b) {
        return std::pair(a.second.ns, b.first) < std::pair(b.second.ns, a.first);
    });
    for (const auto& [id, one] : tasks)
        out += fmt::format("  {:<15} {:>10} in {:>8} polls  {}\n", task_text(id), duration_text(one.ns), one.polls,
                           printable(one.name));

    out += "\nLongest polls\n";
    keep_largest(all.polls,
                 [](const poll& a, const poll& b) { return std::pair(a.ns, b.begin) < std::pair(b.ns, a.begin); });
    for (const poll& one : all.polls)
        out += fmt::format("  {:<15} {:>10} at {:>10}  {}\n", task_text(one.task), duration_text(one.ns),
                           duration_text(one.begin - first), printable(one.name));

    if (!all.latencies.empty())
        out +=
            fmt::format("\nSchedule latency, from a wake-up to the poll: p50 {}, p99 {}, p99.9 {}, at most {}\n",
                        duration_text(percentile(all.latencies, 5000)), duration_text(percentile(all.latencies, 9900)),
                        duration_text(percentile(all.latencies, 9990)), duration_text(all.latencies.back()));
    return out;
}

}  // namespace eddy::inspect
