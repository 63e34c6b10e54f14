// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <system_error>

#include <eddy/io/interest.hpp>

#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

class ring_connection;

/// What both directions of a ring connection share: whether the ring reads the socket, and the end of the connection.
///
///     flag           set by                          cleared by            while it is set
///     receives_      owner: with an operation        its last completion   only the ring reads the socket, or accepts
///     is_closing_    the socket's destructor         -                     received data is discarded, and no receive
///                                                                          begins
///     wants_close_   the socket's destructor, if     -                     the driver closes the descriptor when the
///                    operations are in flight                              operations have ended
///     is_gone_       the thread that closes          -                     later completions are discarded
///
/// In all tables of a ring connection, "the owner" is the owner of the ring, and "the task" is the reader or the
/// writer. All fields, also in the directions, are guarded by lock_.
class ring_source : public scheduled_io {
public:
    /// The kind of source: a connection or a listener.
    enum class brings : bool { bytes, connections };

    [[nodiscard]] bool is_listener() const noexcept { return what_ == brings::connections; }
    /// Claims the right to close the descriptor. Returns false if another thread has claimed it.
    [[nodiscard]] bool mark_gone() noexcept;
    /// Returns whether the descriptor was left to the driver.
    [[nodiscard]] bool is_closing() noexcept;

protected:
    static constexpr io::ready read_side = io::ready::readable | io::ready::read_closed;

    ring_source(int fd, brings what) noexcept : scheduled_io(fd), what_(what) {}

    [[nodiscard]] static std::error_code system_error(int number) noexcept { return {number, std::generic_category()}; }
    [[nodiscard]] static std::error_code would_block() noexcept { return system_error(EAGAIN); }
    /// Returns whether the error is temporary, so that the operation is repeated, by the ring or without it.
    [[nodiscard]] static bool is_temporary(int error) noexcept;
    /// Returns the connection of which this is a part.
    [[nodiscard]] ring_connection& whole() noexcept;

    bool receives_ : 1 = false;
    bool is_closing_ : 1 = false;
    bool wants_close_ : 1 = false;
    bool is_gone_ : 1 = false;

private:
    const brings what_;
};

}  // namespace eddy::detail
