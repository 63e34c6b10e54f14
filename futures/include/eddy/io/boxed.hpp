// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/io_box.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

// A box is one type for any reader, any writer, and so on. Use boxes in containers and interfaces.
// Errors, cancel safety, thread safety: same as the object in the box. Use of a box that was moved from throws
// `misuse`.
// Cost: one allocation per box; one virtual call per poll.

/// Owns any reader.
/// Thread safety: same as the reader.
class boxed_reader : public detail::io_box<detail::reader_face>, public detail::forwards_read<boxed_reader> {
public:
    /// Takes ownership of the reader.
    template <class R>
        requires detail::may_be_boxed<boxed_reader, R>
    boxed_reader(R&& inner)
        : io_box(detail::make_io_box<detail::check_reader<R>(), detail::reader_face, detail::boxed_read>(
              std::forward<R>(inner))) {}
};

/// Owns any reader with a buffer.
/// Thread safety: same as the reader.
class boxed_buf_reader : public detail::io_box<detail::buf_reader_face>,
                         public detail::forwards_read<boxed_buf_reader>,
                         public detail::forwards_buf_read<boxed_buf_reader> {
public:
    /// Takes ownership of the reader.
    template <class R>
        requires detail::may_be_boxed<boxed_buf_reader, R>
    boxed_buf_reader(R&& inner)
        : io_box(detail::make_io_box<detail::check_buf_reader<R>(), detail::buf_reader_face, detail::boxed_buf_read>(
              std::forward<R>(inner))) {}
};

/// Owns any reader that can seek.
/// Thread safety: same as the reader.
class boxed_seeker : public detail::io_box<detail::seeker_face>,
                     public detail::forwards_read<boxed_seeker>,
                     public detail::forwards_seek<boxed_seeker> {
public:
    /// Takes ownership of the reader.
    template <class R>
        requires detail::may_be_boxed<boxed_seeker, R>
    boxed_seeker(R&& inner)
        : io_box(detail::make_io_box<detail::check_reader<R>() && detail::check_seekable<R>(), detail::seeker_face,
                                     detail::boxed_seek>(std::forward<R>(inner))) {}
};

/// Owns any writer.
/// Thread safety: same as the writer.
class boxed_writer : public detail::io_box<detail::writer_face>, public detail::forwards_write<boxed_writer> {
public:
    /// Takes ownership of the writer.
    template <class W>
        requires detail::may_be_boxed<boxed_writer, W>
    boxed_writer(W&& inner)
        : io_box(detail::make_io_box<detail::check_writer<W>(), detail::writer_face, detail::boxed_write>(
              std::forward<W>(inner))) {}
};

/// Owns any object that is a reader and a writer: a TCP connection, a TLS connection, a duplex.
/// Thread safety: same as the object.
class boxed_stream : public detail::io_box<detail::stream_face>,
                     public detail::forwards_read<boxed_stream>,
                     public detail::forwards_write<boxed_stream> {
public:
    /// Takes ownership of the object.
    template <class S>
        requires detail::may_be_boxed<boxed_stream, S>
    boxed_stream(S&& inner)
        : io_box(detail::make_io_box<detail::check_reader<S>() && detail::check_writer<S>(), detail::stream_face,
                                     detail::boxed_read_write>(std::forward<S>(inner))) {}
};

}  // namespace eddy::io
