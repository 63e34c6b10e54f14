// SPDX-License-Identifier: MIT
#include "trace/perfetto.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace eddy::trace {

namespace {

constexpr std::size_t longest_name = 200;

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
constexpr std::uint32_t number = 3, text = 6, name = 10;
}

/// All packets are of one sequence. Its number is arbitrary, but not 0.
constexpr std::uint64_t sequence = 1;
/// The process's track has the number 1.
constexpr std::uint64_t process_track = 1;

}  // namespace

/// Writes the fields of one protobuf message into memory of a fixed size, which is enough for each message of this
/// file.
class perfetto_writer::message {
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

    std::array<std::byte, 512> bytes_;  // several are on the stack at a time, which may be a signal handler's
    std::size_t size_ = 0;
};

namespace {

/// Adds a number or a text with a name to the event.
template <class Message, class Value>
void annotate(Message& to, std::string_view name, Value value) {
    Message made;
    if constexpr (std::is_integral_v<Value>) {
        made.number(debug_annotation::number, value);
    } else {
        made.text(debug_annotation::text, value);
    }
    to.part(track_event::annotation, made.text(debug_annotation::name, name));
}

template <class Message>
void begin(Message& to, std::uint64_t type, std::string_view category, std::string_view name) {
    to.number(track_event::type, type).text(track_event::category, category).text(track_event::name, name);
}

}  // namespace

perfetto_writer::perfetto_writer(const file_facts& about, byte_sink& into) : about_(about), into_(into) {
    message process;
    process.number(process_descriptor::pid, about_.process_id).text(process_descriptor::name, about_.process_name);
    message its;
    its.number(track_descriptor::uuid, process_track).part(track_descriptor::process, process);
    add_packet(message().part(trace_packet::track, its));
}

void perfetto_writer::begin_track(std::string_view name) {
    ++tracks_;
    time_ = about_.scale.ns;
    message thread;
    // A worker may move to another thread, so it has a number of its own.
    thread.number(thread_descriptor::pid, about_.process_id)
        .number(thread_descriptor::tid, about_.process_id + tracks_)
        .text(thread_descriptor::name, name);
    message its;
    its.number(track_descriptor::uuid, process_track + tracks_)
        .text(track_descriptor::name, name)
        .part(track_descriptor::thread, thread);
    add_packet(message().part(trace_packet::track, its));
}

void perfetto_writer::add(const event& one) {
    if (spawn_ && spawn_->add(one)) return;
    write_spawn();
    if (one.kind() == event_kind::none || one.kind() == event_kind::place || one.kind() == event_kind::name) return;
    time_ = about_.scale.time_of(one);
    if (one.kind() != event_kind::spawn) return write_event(one);
    spawn_.emplace().task = one.task();
    spawn_event_ = one;
}

void perfetto_writer::end_track(std::uint64_t now) {
    write_spawn();
    time_ = std::max(time_, now);
    end_slice();
}

void perfetto_writer::add_packet(message& packet) {
    packet.number(trace_packet::sequence_id, sequence);
    // The first packet says that it refers to no earlier one.
    if (std::exchange(is_first_, false)) packet.number(trace_packet::sequence_flags, trace_packet::state_cleared);
    into_.write(message().part(trace_packet::in_file, packet).all());
}

void perfetto_writer::write_event(const event& one) {
    switch (one.kind()) {
    case event_kind::none:
    case event_kind::spawn:
    case event_kind::place:
    case event_kind::name: return;
    case event_kind::poll_begin: return begin_poll(one, true);
    case event_kind::poll_end:
        if (open_ != slice::poll) begin_poll(one, false);
        return end_slice();
    case event_kind::park: return begin_park();
    case event_kind::unpark:
        if (open_ != slice::park) begin_park();
        return end_slice();
    case event_kind::wake: return add_wake(one);
    case event_kind::steal: return add_instant(one, "steal", "from_worker", true);
    case event_kind::io_event: return add_instant(one, "driver tick", "events", false);
    case event_kind::timer: return add_instant(one, "timers", "fired", false);
    case event_kind::stall: return add_instant(one, "stall", "ms", true);
    }
}

/// Writes the spawn that was added before, with its place and name.
void perfetto_writer::write_spawn() {
    if (!spawn_) return;
    message made;
    begin(made, track_event::instant, "spawn", "spawn");
    annotate(made, "task", spawn_->task);
    std::array<char, longest_name> text;
    if (!spawn_->name().empty()) annotate(made, "name", spawn_->name());
    if (spawn_->place != 0 && about_.text_of_place != nullptr)
        annotate(made, "place", about_.text_of_place(spawn_->place, text));
    if (spawn_->task != 0) made.fixed(track_event::flow, spawn_->task);
    add_event(made);
    spawn_.reset();
}

void perfetto_writer::begin_poll(const event& one, bool ends_flow) {
    end_slice();  // a poll that has handed its worker over ends elsewhere
    open_ = slice::poll;
    message made;
    begin(made, track_event::begin, "poll", name_in(one));
    annotate(made, "task", one.task());
    if (ends_flow && one.task() != 0) made.fixed(track_event::end_of_flow, one.task());
    add_event(made);
}

void perfetto_writer::begin_park() {
    end_slice();
    open_ = slice::park;
    message made;
    begin(made, track_event::begin, "park", "parked");
    add_event(made);
}

void perfetto_writer::end_slice() {
    if (std::exchange(open_, slice::none) != slice::none)
        add_event(message().number(track_event::type, track_event::end));
}

void perfetto_writer::add_wake(const event& one) {
    message made;
    begin(made, track_event::instant, "wake", "wake");
    annotate(made, "task", one.task());
    if (one.task() != 0) made.fixed(track_event::flow, one.task());
    add_event(made);
}

void perfetto_writer::add_instant(const event& one, std::string_view what, std::string_view detail, bool has_task) {
    message made;
    begin(made, track_event::instant, what, what);
    if (has_task) annotate(made, "task", one.task());
    annotate(made, detail, one.detail());
    add_event(made);
}

void perfetto_writer::add_event(message& made) {
    made.number(track_event::track, process_track + tracks_);
    message packet;
    packet.number(trace_packet::timestamp, time_)
        .number(trace_packet::clock_id, trace_packet::monotonic_clock)
        .part(trace_packet::event, made);
    add_packet(packet);
}

/// Returns the name of the task that has the event's number at that time.
std::string_view perfetto_writer::name_in(const event& one) {
    const auto when = std::pair(one.task(), about_.scale.ticks_until(one));
    const auto begin = [](const task_label& label) { return std::pair(label.task, label.since); };
    const auto behind = std::ranges::upper_bound(about_.labels, when, {}, begin);
    if (behind != about_.labels.begin() && std::prev(behind)->task == one.task()) return std::prev(behind)->text;
    // Without a function that may allocate.
    constexpr std::string_view kind = "task ";
    char* const end = std::ranges::copy(kind, unnamed_.data()).out;
    return {unnamed_.data(), std::to_chars(end, unnamed_.data() + unnamed_.size(), one.task()).ptr};
}

}  // namespace eddy::trace
