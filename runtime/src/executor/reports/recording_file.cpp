// SPDX-License-Identifier: MIT
#include "executor/reports/recording_file.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "executor/reports/event_log.hpp"
#include "executor/reports/own_tasks.hpp"
#include "future/readable_name.hpp"
#include "inspect/debug_table.hpp"
#include "sys/output_file.hpp"
#include "sys/own_memory.hpp"
#include "sys/steady_ns.hpp"
#include "sys/this_process.hpp"
#include "sys/ticks.hpp"

namespace eddy::detail {
namespace {

/// Copies the name of a file without its folders. Returns how many bytes it has; 0 if it cannot be read.
std::size_t copy_base_name(std::uint64_t path, std::span<char> into) noexcept {
    constexpr std::size_t most_read = 4096;
    constexpr std::size_t piece_size = 128;  // divides the size of a page, so that each piece is in one
    std::array<char, piece_size> piece;
    std::size_t size = 0;
    for (std::uint64_t at = path; at - path < most_read;) {
        const std::size_t count = piece_size - at % piece_size;
        // SAFETY: only the system uses the address.
        const auto* const from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(at));  // NOLINT
        if (!sys::copy_own_memory(from, std::as_writable_bytes(std::span(piece).first(count)))) return 0;
        for (const char c : std::span(piece).first(count)) {
            if (c == '\0') return size;
            if (c == '/' || c == '\\') {
                size = 0;
            } else if (size < into.size()) {
                into[size++] = c;
            }
        }
        at += count;
    }
    return size;
}

/// Writes "file.cpp:17", without a function that may allocate. The record of the compiler is read by system calls: it
/// is gone if it was in a shared library that has been closed. Then the text is empty.
std::string_view text_of_place(std::uint64_t place, std::span<char> into) noexcept {
    // SAFETY: only the system uses the address.
    const auto record = sys::copy_own_object<inspect::place_record>(
        reinterpret_cast<const void*>(static_cast<std::uintptr_t>(place)));  // NOLINT(performance-no-int-to-ptr)
    std::size_t size = record ? copy_base_name(record->file, into.first(into.size() - 12)) : 0;
    if (size == 0) return {};
    into[size++] = ':';
    return {into.data(), std::to_chars(into.data() + size, into.data() + into.size(), record->line).ptr};
}

/// Writes tracks into a file. It has what is too large for the stack of a signal handler.
class tracks_file final : public trace::byte_sink {
public:
    explicit tracks_file(const char* path) noexcept : file_(path) {}
    void write(std::span<const std::byte> bytes) override { file_.write(bytes); }

    /// Writes all tracks, once. `for_each_track(f)` calls `f` with the state of each. Calls only functions that
    /// signal-safety(7) allows.
    template <class ForEachTrack>
    [[nodiscard]] result<void> write_all(const trace::time_scale& began, std::span<const trace::task_label> labels,
                                         ForEachTrack for_each_track) noexcept;

private:
    sys::output_file file_;
    std::array<trace::event, 256> piece_;
};

/// Calls `each` with the events of a track, oldest first, in pieces.
template <class Each>
void for_each_event(const track_state& of, std::span<trace::event> piece, Each each) {
    const auto& ring = of.track->ring;
    std::uint64_t next = of.events < ring.capacity() ? 0 : of.events - ring.capacity();
    while (next < of.events)
        for (const trace::event& one : ring.copy(next, of.events, piece)) each(one);
}

template <class ForEachTrack>
result<void> tracks_file::write_all(const trace::time_scale& began, std::span<const trace::task_label> labels,
                                    ForEachTrack for_each_track) noexcept {
    trace::time_scale scale = began;
    const std::uint64_t ticks = sys::ticks() - scale.ticks;
    const std::uint64_t now = sys::steady_ns();
    if (ticks != 0) scale.ns_per_tick = static_cast<double>(now - scale.ns) / static_cast<double>(ticks);
    const trace::file_facts about{sys::process_id(), sys::program_name(), scale, labels, &text_of_place};
    trace::perfetto_writer writer(about, *this);
    for_each_track([&](const track_state& one) {
        writer.begin_track(one.name.data());
        for_each_event(one, piece_, [&](const trace::event& each) { writer.add(each); });
        writer.end_track(one.is_in_use ? now : 0);
    });
    return file_.finish();
}

/// The names of tasks, or where they were spawned, by their numbers and the times of their spawns. The number of a task
/// without an id is its address, which other tasks have had before.
class task_names {
public:
    /// Takes them from the events, and from the tasks that exist.
    explicit task_names(const recording_state& of) {
        for (const track_state& one : of.tracks) add_spawns(one, of.began);
        const auto tree = read_own_tasks();
        if (!tree) return;
        for (const inspect::executor& each : tree->executors)
            for (const inspect::task& one : each.tasks) add_existing(one);
    }

    [[nodiscard]] std::vector<trace::task_label> labels() const {
        std::vector<trace::task_label> made;
        made.reserve(names_.size());
        for (const auto& [spawn, name] : names_) made.push_back({spawn.first, name, spawn.second});
        return made;
    }

private:
    void add_spawns(const track_state& track, const trace::time_scale& scale) {
        std::array<trace::event, 256> piece;
        std::optional<trace::spawned> last;
        std::uint64_t since = 0;
        const auto add = [&] {
            if (!last) return;
            std::array<char, 200> text;
            if (const auto name = last->name(); !name.empty()) {
                names_.emplace(std::pair(last->task, since), name);
            } else if (const auto place = text_of_place(last->place, text); !place.empty()) {
                names_.emplace(std::pair(last->task, since), place);
            }
            last.reset();
        };
        for_each_event(track, piece, [&](const trace::event& one) {
            if (last && last->add(one)) return;
            add();
            if (one.kind() != trace::event_kind::spawn) return;
            last.emplace().task = one.task();
            since = (one.task() & unnumbered) != 0 ? scale.ticks_until(one) : 0;
        });
        add();
    }
    /// Its spawn is the last one with its number, if the events still have it.
    void add_existing(const inspect::task& one) {
        const std::uint64_t number = one.id != 0 ? one.id : (one.at | unnumbered);
        const auto behind = names_.upper_bound(std::pair(number, ~std::uint64_t{0}));
        const bool is_known = behind != names_.begin() && std::prev(behind)->first.first == number;
        std::string& name = is_known ? std::prev(behind)->second : names_[std::pair(number, std::uint64_t{0})];
        if (!one.name.empty()) name = one.name;
        if (name.empty() && one.spawned_at != nullptr)
            name = std::string(base_name(one.spawned_at->file)) + ":" + std::to_string(one.spawned_at->line);
    }

    std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> names_;
};

}  // namespace

result<void> write_with_names(const recording_state& of, const char* path) noexcept try {
    const task_names names(of);
    return tracks_file(path).write_all(of.began, names.labels(), [&](const auto& f) {
        for (const track_state& one : of.tracks) f(one);
    });
} catch (const std::exception&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void write_in_signal_handler(const flight_recorder& of) noexcept {
    alignas(tracks_file) static constinit std::array<std::byte, sizeof(tracks_file)> memory{};
    static_cast<void>((new (memory.data()) tracks_file(of.file.data()))->write_all(of.began, {}, [&](const auto& f) {
        of.for_each_track([&](const recorded_track& one) { f(track_state(one)); });
    }));
}

}  // namespace eddy::detail
