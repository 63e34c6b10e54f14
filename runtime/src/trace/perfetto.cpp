// SPDX-License-Identifier: MIT
#include "trace/perfetto.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

namespace eddy::trace {

namespace {

constexpr std::size_t longest_name = 200;

/// Writes the fields of one protobuf message into memory of a fixed size, which is enough for each message of this
/// file.
class message {
public:
    message& number(std::uint32_t field, std::uint64_t value) {
        varint(field << 3);
        varint(value);
        return *this;
    }
    message& fixed(std::uint32_t field, std::uint64_t value) {
        varint(field << 3 | 1);
        for (int shift = 0; shift < 64; shift += 8) put(static_cast<std::byte>(value >> shift));
        return *this;
    }
    message& text(std::uint32_t field, std::string_view value) {
        value = value.substr(0, longest_name);
        return bytes(field, std::as_bytes(std::span(value)));
    }
    message& part(std::uint32_t field, const message& value) { return bytes(field, value.all()); }
    [[nodiscard]] std::span<const std::byte> all() const { return std::span(bytes_).first(size_); }

private:
    void put(std::byte one) {
        if (size_ < bytes_.size()) bytes_[size_++] = one;
    }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) put(static_cast<std::byte>(value | 0x80));
        put(static_cast<std::byte>(value));
    }
    message& bytes(std::uint32_t field, std::span<const std::byte> value) {
        varint(field << 3 | 2);
        varint(value.size());
        for (const std::byte one : value) put(one);
        return *this;
    }

    std::array<std::byte, 1024> bytes_;
    std::size_t size_ = 0;
};

// The numbers of fields and of values, by message: perfetto/protos/perfetto/trace.
namespace trace_packet {
constexpr std::uint32_t in_file = 1;
constexpr std::uint32_t timestamp = 8, sequence_id = 10, event = 11, sequence_flags = 13, clock_id = 58, track = 60;
constexpr std::uint64_t state_cleared = 1, monotonic_clock = 3;
}  // namespace trace_packet
namespace track_descriptor {
constexpr std::uint32_t uuid = 1, name = 2, process = 3, thread = 4;
}
namespace process_descriptor {
constexpr std::uint32_t pid = 1, name = 6;
}
namespace thread_descriptor {
constexpr std::uint32_t pid = 1, tid = 2, name = 5;
}
namespace track_event {
constexpr std::uint32_t annotation = 4, type = 9, track = 11, category = 22, name = 23, flow = 47, end_of_flow = 48;
constexpr std::uint64_t begin = 1, end = 2, instant = 3;
}  // namespace track_event
namespace debug_annotation {
constexpr std::uint32_t number = 3, name = 10;
}

/// All packets are of one sequence. Its number is arbitrary, but not 0.
constexpr std::uint64_t sequence = 1;
/// The process's track has the number 1.
constexpr std::uint64_t process_track = 1;

bool is_cause(event_kind kind) { return kind == event_kind::wake || kind == event_kind::spawn; }

class perfetto_writer {
public:
    perfetto_writer(const recording& from, const flow_numbers& flows, byte_sink& into)
        : from_(from), flows_(flows), into_(into) {}

    void write() {
        describe_process();
        for (std::size_t i = 0; i < from_.tracks.size(); ++i) describe_thread(i);
        for (std::size_t i = 0; i < from_.tracks.size(); ++i) write_track(i);
    }

private:
    static std::uint64_t uuid_of(std::size_t track) { return process_track + 1 + track; }

    void add(message& packet) {
        packet.number(trace_packet::sequence_id, sequence);
        // The first packet says that it refers to no earlier one.
        if (std::exchange(is_first_, false)) packet.number(trace_packet::sequence_flags, trace_packet::state_cleared);
        into_.write(message().part(trace_packet::in_file, packet).all());
    }

    void describe_process() {
        message process;
        process.number(process_descriptor::pid, from_.process_id).text(process_descriptor::name, from_.process_name);
        message its;
        its.number(track_descriptor::uuid, process_track).part(track_descriptor::process, process);
        add(message().part(trace_packet::track, its));
    }

    void describe_thread(std::size_t index) {
        const track& one = from_.tracks[index];
        message thread;
        // A worker may move to another thread, so it has a number of its own.
        thread.number(thread_descriptor::pid, from_.process_id)
            .number(thread_descriptor::tid, from_.process_id + 1 + index)
            .text(thread_descriptor::name, one.name);
        message its;
        its.number(track_descriptor::uuid, uuid_of(index))
            .text(track_descriptor::name, one.name)
            .part(track_descriptor::thread, thread);
        add(message().part(trace_packet::track, its));
    }

    void write_track(std::size_t index) {
        const track& its = from_.tracks[index];
        at_ = index;
        time_ = its.base_ns;
        is_in_poll_ = is_parked_ = false;
        for (std::size_t i = 0; i < its.events.size(); ++i) {
            if (its.events[i].kind() == event_kind::none) continue;
            time_ = its.base_ns + its.events[i].ns();
            write_event(its.events[i], index < flows_.size() && i < flows_[index].size() ? flows_[index][i] : 0);
        }
        if (is_in_poll_) end();
        if (is_parked_) end();
    }

    void write_event(const event& one, std::uint64_t flow) {
        switch (one.kind()) {
        case event_kind::none: return;
        case event_kind::poll_begin: return begin_poll(one, flow);
        case event_kind::poll_end:
            if (!is_in_poll_) begin_poll(one, 0);
            is_in_poll_ = false;
            return end();
        case event_kind::park: return begin_park();
        case event_kind::unpark:
            if (!is_parked_) begin_park();
            is_parked_ = false;
            return end();
        case event_kind::wake: return add_cause(one, flow, "wake");
        case event_kind::spawn: return add_cause(one, flow, "spawn");
        case event_kind::steal: return add_instant(one, "steal", "from_worker", true);
        case event_kind::io_event: return add_instant(one, "driver tick", "events", false);
        case event_kind::timer: return add_instant(one, "timers", "fired", false);
        case event_kind::stall: return add_instant(one, "stall", "ms", true);
        }
    }

    void begin_poll(const event& one, std::uint64_t flow) {
        is_in_poll_ = true;
        message made;
        name(made, track_event::begin, "poll", name_of(one.task));
        annotate(made, "task", one.task);
        if (flow != 0) made.fixed(track_event::end_of_flow, flow);
        add_event(made);
    }
    void begin_park() {
        is_parked_ = true;
        message made;
        name(made, track_event::begin, "park", "parked");
        add_event(made);
    }
    void end() { add_event(message().number(track_event::type, track_event::end)); }

    void add_cause(const event& one, std::uint64_t flow, std::string_view what) {
        message made;
        name(made, track_event::instant, what, what);
        annotate(made, "task", one.task);
        if (flow != 0) made.fixed(track_event::flow, flow);
        add_event(made);
    }
    void add_instant(const event& one, std::string_view what, std::string_view detail, bool has_task) {
        message made;
        name(made, track_event::instant, what, what);
        if (has_task) annotate(made, "task", one.task);
        annotate(made, detail, one.detail());
        add_event(made);
    }

    void add_event(message& made) {
        made.number(track_event::track, uuid_of(at_));
        message packet;
        packet.number(trace_packet::timestamp, time_)
            .number(trace_packet::clock_id, trace_packet::monotonic_clock)
            .part(trace_packet::event, made);
        add(packet);
    }

    static void name(message& to, std::uint64_t type, std::string_view category, std::string_view name) {
        to.number(track_event::type, type).text(track_event::category, category).text(track_event::name, name);
    }
    static void annotate(message& to, std::string_view name, std::uint64_t value) {
        to.part(track_event::annotation,
                message().number(debug_annotation::number, value).text(debug_annotation::name, name));
    }

    std::string_view name_of(std::uint64_t task) {
        const auto found = std::ranges::lower_bound(from_.labels, task, {}, &task_label::task);
        if (found != from_.labels.end() && found->task == task) return found->text;
        // "task 17", without a function that may allocate
        std::size_t at = unnamed_.size();
        do unnamed_[--at] = static_cast<char>('0' + task % 10);
        while ((task /= 10) != 0);
        at -= 5;
        std::memcpy(unnamed_.data() + at, "task ", 5);
        return std::string_view(unnamed_.data() + at, unnamed_.size() - at);
    }

    const recording& from_;
    const flow_numbers& flows_;
    byte_sink& into_;
    bool is_first_ = true;
    // Of the track that is written:
    std::size_t at_ = 0;
    std::uint64_t time_ = 0;
    bool is_in_poll_ = false;
    bool is_parked_ = false;
    std::array<char, 32> unnamed_{};
};

}  // namespace

flow_numbers find_flows(const recording& from) {
    struct step {
        std::uint64_t task;
        std::uint64_t time;
        bool is_poll;
        std::size_t track;
        std::size_t index;
    };
    std::vector<step> steps;
    flow_numbers found(from.tracks.size());
    for (std::size_t i = 0; i < from.tracks.size(); ++i) {
        const track& its = from.tracks[i];
        found[i].resize(its.events.size());
        for (std::size_t j = 0; j < its.events.size(); ++j) {
            const event& one = its.events[j];
            if (is_cause(one.kind()) || one.kind() == event_kind::poll_begin)
                steps.push_back({one.task, its.base_ns + one.ns(), !is_cause(one.kind()), i, j});
        }
    }
    std::ranges::sort(steps, {}, [](const step& one) { return std::tuple(one.task, one.time, one.is_poll); });
    std::uint64_t last = 0;
    for (std::size_t i = 1; i < steps.size(); ++i) {
        const step& cause = steps[i - 1];
        const step& poll = steps[i];
        if (poll.is_poll && !cause.is_poll && poll.task == cause.task)
            found[cause.track][cause.index] = found[poll.track][poll.index] = ++last;
    }
    return found;
}

void write_perfetto(const recording& from, const flow_numbers& flows, byte_sink& into) {
    perfetto_writer(from, flows, into).write();
}

}  // namespace eddy::trace
