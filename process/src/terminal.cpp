// SPDX-License-Identifier: MIT
#include <eddy/process/terminal.hpp>

#include <memory>
#include <source_location>
#include <utility>

#include <eddy/drop.hpp>

#include "sys/terminals.hpp"

namespace eddy::process {
namespace {

task<result<child>> start_in(int master, command what, std::source_location where) {
    auto slave = eddy::sys::open_slave(master);
    if (!slave) co_return std::unexpected(error(slave.error(), what.program(), "terminal"));
    what.start_in(std::make_shared<const detail::terminal_slave>(std::move(*slave)));
    auto starting = what.spawn(where);  // with a copy
    eddy::drop(std::move(what));        // closes the slave when the process has started
    co_return co_await std::move(starting);
}

}  // namespace

eddy::result<terminal> terminal::open(const terminal_options& options) {
    auto master = eddy::sys::make_terminal(options);
    if (!master) return std::unexpected(master.error());
    return terminal(master->release());
}

task<result<child>> terminal::spawn(command what, std::source_location where) {
    return start_in(native_handle(), std::move(what), where);
}

eddy::result<window_size> terminal::size() const { return eddy::sys::size_of_terminal(native_handle()); }

eddy::result<void> terminal::resize(window_size to) { return eddy::sys::set_size_of_terminal(native_handle(), to); }

}  // namespace eddy::process
