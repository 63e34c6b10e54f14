#!/usr/bin/env python3
"""Counts the events of a trace by Perfetto's own message definitions (PyPI: perfetto). Checks that slices are balanced, that each
poll that ends a flow has a begin of it, and that all events are on tracks that the file describes.

    count_perfetto.py FILE
"""
import collections
import sys

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

trace = protos.Trace()
with open(sys.argv[1], "rb") as file:
    trace.ParseFromString(file.read())
event_types = protos.TrackEvent
tracks, counts, open_slices, flows = {}, collections.Counter(), collections.Counter(), collections.Counter()
assert trace.packet[0].sequence_flags == protos.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
for packet in trace.packet:
    assert packet.trusted_packet_sequence_id == 1
    if packet.HasField("track_descriptor"):
        tracks[packet.track_descriptor.uuid] = packet.track_descriptor
for packet in trace.packet:
    if not packet.HasField("track_event"):
        continue
    assert packet.timestamp_clock_id == protos.BUILTIN_CLOCK_MONOTONIC
    event = packet.track_event
    assert tracks[event.track_uuid].HasField("thread")
    step = {event_types.TYPE_SLICE_BEGIN: 1, event_types.TYPE_SLICE_END: -1, event_types.TYPE_INSTANT: 0}[event.type]
    open_slices[event.track_uuid] += step
    assert 0 <= open_slices[event.track_uuid] <= 1
    if step >= 0:
        counts[event.categories[0]] += 1
        assert event.name
    for flow in event.flow_ids:
        flows[flow] += 1
    for flow in event.terminating_flow_ids:
        flows[flow] -= 1
assert not any(open_slices.values()), open_slices
assert all(count >= 0 for count in flows.values()), flows  # a task that was woken at last may not be polled
print(" ".join(f"{name}={count}" for name, count in sorted(counts.items())))
